"""SIGINT and SIGTERM at any moment, from the first on that a process can answer for.

What has no end (run, watch) was stopped as asked: 0. What was to do something and did not is not
done: 130. Neither shows a traceback.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.processes import ROOT, environment, free_endpoint

both_signals = pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)
# Behind the moment when signals are answered: imports, opening, compiling, work.
at_any_moment = pytest.mark.parametrize("after_s", [0.0, 0.05, 0.3, 1.0])

STOP_S = 6.0


def answers(pid: int) -> bool:
    """Whether the process has a handler for SIGTERM, which Python by itself has not."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False


def interrupted(
    module: str, *arguments: object, how: signal.Signals, after_s: float
) -> tuple[int, str]:
    """Exit code and stderr of a front door's command that gets a signal while it works."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env=environment(),
    ) as process:
        try:
            deadline_s = time.monotonic() + 30
            while not answers(process.pid):
                assert time.monotonic() < deadline_s
                time.sleep(0.002)
            time.sleep(after_s)
            assert process.poll() is None, "it was done before it could be interrupted"
            process.send_signal(how)
            asked_s = time.monotonic()
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
        assert time.monotonic() - asked_s < STOP_S
    assert "Traceback" not in errors
    assert "a bug" not in errors, errors
    return process.returncode, errors


@both_signals
@at_any_moment
@pytest.mark.parametrize("command", ["run", "watch"])
def test_what_has_no_end_is_stopped_as_asked(
    light_bundle: Path, command: str, how: signal.Signals, after_s: float
) -> None:
    endpoint = free_endpoint()
    more = ("scene:", "--bundle", light_bundle, "--publish", endpoint)
    arguments = more if command == "run" else (endpoint,)
    code, _ = interrupted("stream.cli", command, *arguments, how=how, after_s=after_s)
    assert code == 0


@both_signals
@at_any_moment
def test_a_replay_is_not_done(
    light_bundle: Path, long_clip: Path, how: signal.Signals, after_s: float
) -> None:
    arguments = ("replay", long_clip, "--bundle", light_bundle, "--precision", "fp32")
    assert_not_done(*interrupted("stream.cli", *arguments, how=how, after_s=after_s))


@both_signals
@at_any_moment
def test_a_check_is_not_done(light_bundle: Path, how: signal.Signals, after_s: float) -> None:
    arguments = ("check", "--bundle", light_bundle, "--precision", "fp32")
    assert_not_done(*interrupted("stream.cli", *arguments, how=how, after_s=after_s))


@both_signals
def test_a_check_of_a_camera_that_is_silent(
    light_bundle: Path, silent_port: int, how: signal.Signals
) -> None:
    url = f"rtsp://127.0.0.1:{silent_port}/stream"
    arguments = ("check", url, "--bundle", light_bundle, "--precision", "fp32")
    assert_not_done(*interrupted("stream.cli", *arguments, how=how, after_s=3.0))


@both_signals
@at_any_moment
def test_scenes_are_not_done(tmp_path: Path, how: signal.Signals, after_s: float) -> None:
    arguments = ("scene", "--out", tmp_path, "--clips", 200)
    assert_not_done(*interrupted("stream.cli", *arguments, how=how, after_s=after_s))
    assert not list(tmp_path.rglob("*.part"))
    for clip in tmp_path.rglob("*.mp4"):
        assert clip.stat().st_size > 0


@both_signals
@at_any_moment
@pytest.mark.parametrize("command", ["verify", "bench"])
def test_the_engines_commands_are_not_done(
    default_bundle: Path, command: str, how: signal.Signals, after_s: float
) -> None:
    more = (default_bundle,) if command == "verify" else ("--bundle", default_bundle)
    if command == "verify" and after_s > 0.2:
        pytest.skip("it may be done by then")
    code, errors = interrupted("engine.cli", command, *more, how=how, after_s=after_s)
    assert_not_done(code, errors)


def assert_not_done(code: int, errors: str) -> None:
    assert code == 130
    assert errors.splitlines()[-1].endswith("interrupted before it was done")
