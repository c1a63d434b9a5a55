"""A run's page: it says what the folder says, escapes it, and needs nothing beside it."""

import json
from pathlib import Path

import pytest

from training.cli import main
from training.evaluation.results import Bin, Metrics, OfStreams, Result

CONFUSION = [[3, 1], [0, 4]]


def result(**given: object) -> Result:
    error = OfStreams(fused=0.1, rgb=0.2, flow=0.3)
    fields: dict[str, object] = {
        "data_set": "jhmdb",
        "split": "split 1 test",
        "protocol": "global",
        "crops": 10,
        "flow": "dis",
        "unit": "clips",
        "count": 8,
        "accuracy": OfStreams(fused=0.875, rgb=0.5, flow=0.625),
        "mean_average_precision": 0.9,
        "mean_confidence": 0.7,
        "calibration_error": error,
        "calibration_error_before": error,
        "average_precision": {"catch": 0.9, "<b>golf": 0.9},
        "class_accuracy": {"catch": 0.75, "<b>golf": 1.0},
        "confusion": CONFUSION,
        "reliability": (Bin(8, 0.7, 0.875),),
        **given,
    }
    return Result(**fields)  # type: ignore[arg-type]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    results = (result(protocol="grid", crops=1), result(crops=1), result())
    Metrics(classes=("catch", "<b>golf"), results=results).write(folder / "metrics.json")
    line = {"stage": "stage1", "stream": "rgb", "iteration": 1, "loss": 2.0, "right": 0.5}
    (folder / "history.jsonl").write_text(json.dumps(line) + '\n{"half a', encoding="utf-8")
    (folder / "config.json").write_text('{"weights": "<script>"}', encoding="utf-8")
    return folder


def test_the_page_holds_numbers_and_pictures(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--run", str(run)]) == 0
    page = Path(capsys.readouterr().out.strip())
    assert page == run / "report" / "index.html"
    names = {path.stem for path in page.parent.glob("*.png")}
    assert names == {"classes_jhmdb_dis", "confusion_jhmdb_dis", "reliability_jhmdb_dis", "curves"}
    text = page.read_text(encoding="utf-8")
    assert "Run mine" in text
    assert "87.5%" in text
    assert "jhmdb split 1 test, 8 clips, protocol global, 10 crops, flow dis" in text
    assert text.count("data:image/png;base64,") == len(names)
    assert "http" not in text  # nothing is fetched


def test_what_comes_from_files_is_escaped(run: Path) -> None:
    assert main(["report", "--run", str(run)]) == 0
    text = (run / "report" / "index.html").read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_a_folder_without_a_run_gets_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--run", str(tmp_path / "nothing")]) == 3
    assert "gesta-train stage1" in capsys.readouterr().err


def test_attention_needs_the_recipe(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--run", str(run), "--data", "jhmdb=x"]) == 2
    assert "config.json" in capsys.readouterr().err
