"""Notes: a log that can't be written is said in a sentence."""

from pathlib import Path

import pytest

from training.errors import OutputError
from training.progress import Progress


def test_notes_are_kept_with_their_time(tmp_path: Path) -> None:
    log = tmp_path / "run" / "run.log"
    Progress(log=log).note("done: Größe")
    assert log.read_text(encoding="utf-8").endswith(" done: Größe\n")


def test_a_run_that_is_no_folder_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(OutputError, match=r"run.log can't be written \(File exists\)"):
        Progress(log=tmp_path / "run" / "run.log")


def test_a_full_disk_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "run.log").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"No space left on device.*make room"):
        Progress(log=tmp_path / "run.log").note("done")
