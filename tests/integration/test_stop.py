"""SIGTERM, SIGINT and SIGHUP end the daemon within two seconds, with last words, whatever it does.

The bar here is wider: a test machine may be busy with other things.
"""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import psutil
import pytest

from tests.integration.processes import Daemon, gapless
from tests.rtsp_server import RtspServer

STOP_S = 4.0

both_signals = pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)
every_signal = pytest.mark.parametrize(
    "how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda s: s.name
)


def assert_stops(daemon: Daemon, how: signal.Signals = signal.SIGTERM) -> None:
    """Ends in time with exit code 0, and says so to everybody."""
    sockets = [c.laddr for c in psutil.Process(daemon.pid).net_connections() if c.laddr]
    assert sockets
    before_s = time.monotonic()
    assert daemon.stop(how, timeout_s=30) == 0
    assert time.monotonic() - before_s < STOP_S
    assert "Traceback" not in daemon.stderr
    time.sleep(0.3)  # the last words are on their way
    statuses = daemon.messages.of("status")
    cameras = {status["camera"] for status in statuses}
    for camera in cameras:
        last = [status for status in statuses if status["camera"] == camera][-1]
        assert last["state"] == "ended"
        assert "stopped" in last["detail"]
    beats = daemon.messages.of("heartbeat")
    assert {health["state"] for health in beats[-1]["cameras"]} == {"ended"}
    assert gapless(beats)
    with socket.socket() as again:  # the port is free for the next one
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", int(daemon.endpoint.rpartition(":")[2])))


@every_signal
def test_while_live(light_bundle: Path, how: signal.Signals) -> None:
    if signal.getsignal(how) == signal.SIG_IGN:
        pytest.skip(f"{how.name} is ignored here, as nohup has it, and so it is by the daemon")
    with RtspServer() as server, Daemon(server.url, "--bundle", light_bundle) as daemon:
        daemon.predictions(3, timeout_s=60)
        assert_stops(daemon, how)


@both_signals
def test_asked_twice(light_bundle: Path, how: signal.Signals) -> None:
    """A supervisor and a terminal may both ask; that is no reason to stop without a word."""
    with Daemon("scene:", "--bundle", light_bundle) as daemon:
        daemon.predictions(3, timeout_s=60)
        process = psutil.Process(daemon.pid)
        process.send_signal(how)
        time.sleep(0.05)
        process.send_signal(how)
        assert daemon.stop(how, timeout_s=30) == 0
        time.sleep(0.3)
        assert daemon.messages.of("status")[-1]["state"] == "ended"


@both_signals
def test_while_connecting(light_bundle: Path, silent_port: int, how: signal.Signals) -> None:
    url = f"rtsp://127.0.0.1:{silent_port}/stream"
    with Daemon(url, "--bundle", light_bundle) as daemon:
        daemon.status("connecting", timeout_s=60)
        time.sleep(1.0)
        assert_stops(daemon, how)


def test_while_the_server_stalls(light_bundle: Path) -> None:
    with RtspServer() as server, Daemon(server.url, "--bundle", light_bundle) as daemon:
        daemon.predictions(3, timeout_s=60)
        server.stall()
        time.sleep(1.0)
        assert_stops(daemon)


def test_while_waiting_to_try_again(light_bundle: Path) -> None:
    with RtspServer() as server:
        url = server.url
    with Daemon(url, "--bundle", light_bundle) as daemon:
        daemon.status("offline", "REFUSED", timeout_s=60)
        time.sleep(3.0)  # waits between attempts grow
        assert_stops(daemon)


def test_while_starting(light_bundle: Path) -> None:
    """Before anything is published, too."""
    with Daemon("scene:", "--bundle", light_bundle) as daemon:
        deadline_s = time.monotonic() + 60
        while "compiling" not in daemon.stderr and time.monotonic() < deadline_s:
            time.sleep(0.02)
        before_s = time.monotonic()
        assert daemon.stop(timeout_s=30) == 0
        assert time.monotonic() - before_s < STOP_S
        assert "Traceback" not in daemon.stderr


def test_with_several_cameras_in_every_state(light_bundle: Path, silent_port: int) -> None:
    with RtspServer() as live, RtspServer() as stalls, RtspServer() as gone:
        gone.stop()
        silent = f"rtsp://127.0.0.1:{silent_port}/stream"
        urls = (live.url, stalls.url, gone.url, silent, "scene:?size=320x240")
        with Daemon(*urls, "--bundle", light_bundle) as daemon:
            for camera in ("cam0", "cam1", "cam4"):
                daemon.predictions(2, camera=camera, timeout_s=60)
            stalls.stall()
            time.sleep(0.5)
            assert_stops(daemon)


def test_file_ends_by_itself(light_bundle: Path, clip: Path) -> None:
    with Daemon(clip, "--bundle", light_bundle) as daemon:
        assert daemon.wait(60) == 0
        time.sleep(0.3)
        (*_, last) = daemon.messages.of("status")
        assert (last["state"], last["reason"]) == ("ended", None)
        assert daemon.messages.of("prediction")
        assert "Traceback" not in daemon.stderr
