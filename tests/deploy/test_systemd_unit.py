"""The unit for systemd."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "deploy" / "gesta.service"


def test_systemd_understands_it(tmp_path: Path) -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not installed (Debian's package systemd has it)")
    # Systemd looks whether the program is there: here it is another one.
    program = "/opt/gesta/.venv/bin/gesta run"
    text = UNIT.read_text()
    assert program in text
    unit = tmp_path / "gesta.service"
    unit.write_text(text.replace(program, f"{shutil.which('true')} run"))
    done = subprocess.run(
        [tool, "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    complaints = [line for line in done.stderr.splitlines() if "gesta.service" in line]
    assert (done.returncode, complaints) == (0, [])


def test_it_agrees_with_the_daemon() -> None:
    lines = UNIT.read_text().splitlines()
    assert "Type=notify" in lines
    assert "StateDirectory=gesta" in lines
    assert "RestartPreventExitStatus=2" in lines
    assert "DeviceAllow=char-video4linux rw" in lines
    assert "MemoryDenyWriteExecute=no" in lines
