"""A file is written whole, or the older one stays."""

from pathlib import Path

import pytest

from training.ablation.report import ROW_FILE, RowReport, read_row
from training.errors import OutputError
from training.evaluation.results import Metrics, read_metrics
from training.whole_file import write_whole


def test_a_write_that_fails_leaves_the_older_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full after some bytes."""
    metrics, row = tmp_path / "metrics.json", tmp_path / ROW_FILE
    Metrics(classes=("a", "b")).write(metrics)
    RowReport(weights={"rgb": "x"}, results={}).write(row)
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        write(path, content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"metrics.json can't be written \(No space left"):
        Metrics(classes=("c", "d")).write(metrics)
    with pytest.raises(OutputError, match=r"row.json can't be written"):
        RowReport(weights={}, results={}).write(row)
    assert read_metrics(metrics).classes == ("a", "b")
    assert read_row(row).weights == {"rgb": "x"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.json", "row.json"]


def test_folders_are_made(tmp_path: Path) -> None:
    write_whole(tmp_path / "a" / "b.txt", b"text")
    assert (tmp_path / "a" / "b.txt").read_bytes() == b"text"
