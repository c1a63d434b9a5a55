"""Two processes never do the same work in one folder, and a killed one doesn't stand in the way."""

import subprocess
import sys
from pathlib import Path

import pytest

from training.errors import OutputError
from training.lock import locked

HOLD = """
import sys, time
from pathlib import Path
from training.lock import locked
with locked(Path(sys.argv[1]), "rgb", "trains rgb"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_process_is_told_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with (
            pytest.raises(OutputError, match=r"Another process trains rgb in .*another --run"),
            locked(tmp_path, "rgb", "trains rgb"),
        ):
            pass
        with locked(tmp_path, "flow", "trains flow"):  # the other stream may train beside it
            pass
    finally:
        first.kill()
        first.wait()
        first.stdout.close()
    with locked(tmp_path, "rgb", "trains rgb"):
        pass


def test_a_folder_that_cannot_be_made_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with (
        pytest.raises(OutputError, match=r"rgb.lock can't be written"),
        locked(tmp_path / "run", "rgb", "trains rgb"),
    ):
        pass
