"""Notes: a log that can't be written is said in a sentence."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from training.errors import OutputError
from training.progress import Progress


def test_notes_are_kept_with_their_time(tmp_path: Path) -> None:
    log = tmp_path / "run" / "run.log"
    Progress(log=log).note("done: Größe")
    assert log.read_text(encoding="utf-8").endswith(" done: Größe\n")


def test_many_notes_of_a_kind_are_all_kept_and_a_screenful_shown(tmp_path: Path) -> None:
    log, shown = tmp_path / "run.log", io.StringIO()
    progress = Progress(log=log, console=Console(file=shown, width=200))
    progress.notes([f"left out: {index}" for index in range(3)])
    assert shown.getvalue().count("\n") == 3
    progress.notes([f"missing: {index}" for index in range(13320)])
    kept = log.read_text(encoding="utf-8")
    assert kept.count("missing: ") == 13320
    assert shown.getvalue().count("missing: ") == 20
    assert f"and 13300 more, in {log}" in shown.getvalue()


def test_a_run_that_is_no_folder_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(OutputError, match=r"run.log can't be written \(File exists\)"):
        Progress(log=tmp_path / "run" / "run.log")


def test_a_full_disk_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "run.log").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"No space left on device.*make room"):
        Progress(log=tmp_path / "run.log").note("done")
