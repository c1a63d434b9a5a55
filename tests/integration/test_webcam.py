"""Webcams, through FFmpeg's own V4L2 input on a driver that is made up (tests/fake_webcam.c)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.processes import Daemon, environment

SOURCE = Path(__file__).parents[1] / "fake_webcam.c"
READER = """
import json, sys, time
from stream.errors import SourceError
from stream.sources.source import SourceOptions
from stream.sources.webcam import WebcamSource

def wait(seconds):
    time.sleep(seconds)
    return time.monotonic() > stop_at_s

stop_at_s = time.monotonic() + float(sys.argv[3])
source = WebcamSource(sys.argv[1], SourceOptions(stall_s=0.5, wait=wait))
said = {"frames": []}
try:
    info = source.open()
    said["info"] = [info.width, info.height, info.fps, info.codec]
    for frame in source.frames():
        age_ms = (time.time_ns() - frame.captured_at_ns) / 1e6
        grey = int(frame.image().mean())
        said["frames"].append([frame.pts_ns, frame.clock, age_ms, grey])
        if len(said["frames"]) == int(sys.argv[2]):
            break
    said["last_frame_age_s"] = (time.monotonic_ns() - said["frames"][-1][0]) / 1e9
except SourceError as error:
    said |= {"reason": error.reason, "detail": str(error)}
    if said["frames"]:
        said["last_frame_age_s"] = (time.monotonic_ns() - said["frames"][-1][0]) / 1e9
source.close()
if said["frames"]:  # the driver's own memory has gone with the device, and pictures stay
    said["last_grey"] = int(frame.image().mean())
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler: the driver that stands for a webcam can't be built")
    library = tmp_path_factory.mktemp("driver") / "fake_webcam.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and "linux/videodev2.h" in done.stderr:
        pytest.skip("no kernel headers: the driver that stands for a webcam can't be built")
    assert done.returncode == 0, done.stderr
    return library


def settings(driver: Path, device: Path, does: str) -> dict[str, str]:
    return {
        **environment(),
        "LD_PRELOAD": str(driver),
        "FAKE_WEBCAM": str(device),
        "FAKE_WEBCAM_DOES": does,
    }


def read(
    driver: Path, folder: Path, frames: int, does: str = "", stop_after_s: float = 60
) -> dict[str, Any]:
    device = folder / "video0"
    device.touch()
    done = subprocess.run(
        [sys.executable, "-c", READER, str(device), str(frames), str(stop_after_s)],
        env=settings(driver, device, does),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_it_is_asked_for_what_the_model_needs(driver: Path, tmp_path: Path) -> None:
    said = read(driver, tmp_path, 40)
    assert said["info"] == [640, 480, 30.0, "rawvideo"]
    times_ns, clocks, ages_ms, greys = zip(*said["frames"], strict=True)
    assert list(times_ns) == sorted(set(times_ns))
    assert 0.9 < (times_ns[-1] - times_ns[10]) / 1e9 * 30 / 29 < 1.5  # 30 a second
    assert set(clocks) == {"device"}
    assert min(ages_ms) >= 0
    assert sorted(ages_ms)[20] < 50
    assert list(greys) == sorted(greys)  # in order
    assert greys[-1] > greys[0]
    assert said["last_grey"] == greys[-1]


def test_a_driver_that_refuses_is_taken_as_it_is(driver: Path, tmp_path: Path) -> None:
    said = read(driver, tmp_path, 5, "stubborn")
    assert said["info"][:2] == [1280, 720]
    assert len(said["frames"]) == 5


@pytest.mark.parametrize(
    ("does", "reason", "words"),
    [
        ("metadata", "NOT_FOUND", "is no camera (most have two numbers"),
        ("busy", "REFUSED", "is in use by another program"),
    ],
)
def test_a_device_that_gives_no_pictures(
    driver: Path, tmp_path: Path, does: str, reason: str, words: str
) -> None:
    said = read(driver, tmp_path, 5, does)
    assert said["reason"] == reason
    assert words in said["detail"]
    assert said["frames"] == []


def test_a_device_that_stalls(driver: Path, tmp_path: Path) -> None:
    """FFmpeg would wait for it for ever."""
    said = read(driver, tmp_path, 100, "stall=20")
    assert said["reason"] == "STALL"
    assert len(said["frames"]) == 20
    assert 0.5 < said["last_frame_age_s"] < 3


def test_a_stop_is_heard_while_it_stalls(driver: Path, tmp_path: Path) -> None:
    said = read(driver, tmp_path, 100, "stall=5", stop_after_s=0.3)
    assert "reason" not in said
    assert len(said["frames"]) <= 5


def test_a_device_that_is_unplugged(driver: Path, tmp_path: Path) -> None:
    said = read(driver, tmp_path, 100, "vanish=20")
    assert said["reason"] == "CONNECTION_LOST"
    assert "has gone; plug it in again" in said["detail"]
    assert len(said["frames"]) == 20


def test_the_daemon_watches_it_and_comes_back(driver: Path, light_bundle: Path) -> None:
    device = Path("/dev/video98")
    try:
        os.close(os.open(device, os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        pytest.skip(f"can't put a device at {device}: {error.strerror}")
    try:
        env = settings(driver, device, "stall=120")
        with Daemon("webcam:98", "--bundle", light_bundle, env=env) as daemon:
            daemon.predictions(8, stream_epoch=0, timeout_s=60)
            stalled = daemon.status("stalled", "STALL", timeout_s=60)
            assert "/dev/video98 has sent nothing for 5 s" in stalled["detail"]
            heard = len(daemon.messages.all)
            live = daemon.status("live", after=heard, timeout_s=60)
            assert daemon.predictions(3, stream_epoch=live["stream_epoch"], timeout_s=60)
            assert daemon.messages.of("prediction")[-1]["time"]["clock"] == "device"
            assert daemon.stop() == 0
            assert "left behind" not in daemon.stderr
    finally:
        device.unlink()
