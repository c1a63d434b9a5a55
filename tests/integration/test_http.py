"""Cameras over HTTP, MJPEG and HLS, from the server to a subscriber: what RTSP's tests do there.

HLS is a chain of files that a server may stop to renew; MJPEG has no timestamps. Both must come
back by themselves after whatever happens to their server, in a new stream epoch.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.http_server import HlsServer, HttpServer, MjpegServer
from tests.integration.processes import Daemon, epochs, gapless, gesta
from tests.integration.verdicts import (
    assert_no_secret,
    assert_secret_is_kept,
    assert_windows_are_within_epochs,
    hole_s,
    steady,
)

PASSWORD = "p@ssage:w/rd#50%?&+ öffne"
STALL_S = 3.0
LONG_S = 120.0  # pauses between attempts grow to half a minute
CONFIG = """
[[camera]]
name = "cam0"
url = "{url}"
stall_s = {stall_s}
"""

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module", params=["mjpeg", "hls"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HttpServer]:
    folder = tmp_path_factory.mktemp("segments")
    with MjpegServer() if request.param == "mjpeg" else HlsServer(folder) as started:
        yield started


@pytest.fixture(scope="module")
def watched(
    server: HttpServer, light_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Daemon]:
    """A daemon on the server, read by `gesta watch`: one for all the trouble below."""
    config = tmp_path_factory.mktemp("config") / "gesta.toml"
    config.write_text(CONFIG.format(url=server.url, stall_s=STALL_S))
    with Daemon("--config", config, "--bundle", light_bundle, watch=True) as daemon:
        yield daemon


class TestRolling:
    """One daemon through all of it, in this order."""

    def test_whole_windows_several_times_a_second(self, watched: Daemon) -> None:
        newest = steady(watched)
        assert newest["window"]["frames"] == 8
        assert newest["time"]["clock"] == "arrival"
        predictions = watched.predictions(20)
        assert gapless(predictions)
        took_s = hole_s(predictions[0], predictions[-1])
        assert 0.1 < took_s / len(predictions) < 1  # HLS comes by the second, and is paced
        changes = [a["probabilities"] != b["probabilities"] for a, b in pairwise(predictions)]
        assert sum(changes) > len(changes) / 2

    def test_killed_and_restarted(self, server: HttpServer, watched: Daemon) -> None:
        epoch, heard = steady(watched)["stream_epoch"], len(watched.messages.all)
        server.stop()
        lost = watched.status("offline", after=heard, timeout_s=LONG_S)
        assert lost["reason"] in ("CONNECTION_LOST", "REFUSED")
        assert lost["next_retry_s"] is not None
        server.start()
        live = watched.status("live", after=heard, timeout_s=LONG_S)
        assert live["stream_epoch"] > epoch
        assert live["reconnects"] > 0
        assert steady(watched)["stream_epoch"] > epoch

    def test_silent_without_closing(self, server: HttpServer, watched: Daemon) -> None:
        epoch, heard = steady(watched)["stream_epoch"], len(watched.messages.all)
        server.stall()
        stalled = watched.status("stalled", "STALL", after=heard, timeout_s=LONG_S)
        assert STALL_S <= stalled["last_frame_age_s"] < STALL_S + 3
        known = len(watched.messages.of("prediction"))
        time.sleep(2 * STALL_S)  # some vain attempts: what is offered there is old
        assert len(watched.messages.of("prediction")) == known
        server.resume()
        watched.status("live", after=heard, timeout_s=LONG_S)
        assert steady(watched)["stream_epoch"] > epoch
        holes_s = [
            hole_s(a[-1], b[0]) for a, b in pairwise(epochs(watched.messages.of("prediction")))
        ]
        assert max(holes_s) > 2 * STALL_S

    def test_restarted_with_another_size(self, server: HttpServer, watched: Daemon) -> None:
        epoch, heard = steady(watched)["stream_epoch"], len(watched.messages.all)
        server.stop()
        server.size = (640, 360)
        server.start()
        live = watched.status("live", "SIZE_CHANGE", after=heard, timeout_s=LONG_S)
        assert "640x360" in live["detail"]
        assert live["stream_epoch"] > epoch
        assert steady(watched)["stream_epoch"] > epoch

    def test_no_window_spanned_a_hole(self, watched: Daemon) -> None:
        steady(watched)
        assert watched.stop() == 0
        assert_windows_are_within_epochs(watched)
        assert gapless(watched.messages.of("prediction"))


@pytest.mark.parametrize("lengths", [True, False], ids=["with lengths", "without"])
@pytest.mark.parametrize("boundary", ["frame", "--frame"])
def test_mjpeg_as_cameras_write_it(light_bundle: Path, lengths: bool, boundary: str) -> None:
    with (
        MjpegServer(lengths=lengths, boundary=boundary) as server,
        Daemon(server.url, "--bundle", light_bundle) as daemon,
    ):
        assert daemon.complete(timeout_s=LONG_S)
        assert daemon.stop() == 0


def test_hls_in_fragments_of_mp4(light_bundle: Path, tmp_path: Path) -> None:
    with (
        HlsServer(tmp_path, segments="fmp4") as server,
        Daemon(server.url, "--bundle", light_bundle) as daemon,
    ):
        daemon.complete(timeout_s=LONG_S)
        assert daemon.stop() == 0
        assert_windows_are_within_epochs(daemon)


def test_mjpeg_changes_its_size(light_bundle: Path) -> None:
    with MjpegServer() as server, Daemon(server.url, "--bundle", light_bundle) as daemon:
        daemon.complete(timeout_s=LONG_S)
        server.size = (480, 272)
        epoch = daemon.status("live", "SIZE_CHANGE")["stream_epoch"]
        daemon.wait_for(
            lambda: [
                m for m in daemon.messages.of("prediction")
                if m["stream_epoch"] >= epoch and m["window"]["complete"]
            ],
            "whole windows of the new size",
            LONG_S,
        )  # fmt: skip
        assert daemon.stop() == 0
        assert_windows_are_within_epochs(daemon)


def test_a_playlist_with_an_end_is_played_once(light_bundle: Path, tmp_path: Path) -> None:
    """Whether it is a recording, or a camera whose last words it holds: never as live again."""
    with (
        HlsServer(tmp_path, live=False, frames=75) as server,
        Daemon(server.url, "--bundle", light_bundle) as daemon,
    ):
        daemon.complete(stream_epoch=0, timeout_s=LONG_S)
        ended = daemon.status("offline", "CONNECTION_LOST", timeout_s=LONG_S)
        assert "ended the stream" in ended["detail"]
        heard = len(daemon.messages.all)
        daemon.status("offline", "CONNECTION_LOST", after=heard, timeout_s=LONG_S)
        assert len(daemon.messages.of("status", state="live")) == 1
        server.stop()
        server.start()  # other pictures at the same times
        daemon.predictions(1, stream_epoch=1, timeout_s=LONG_S)
        assert daemon.stop() == 0
        assert_windows_are_within_epochs(daemon)


def test_nothing_at_the_path(light_bundle: Path) -> None:
    with MjpegServer() as server:
        url = server.url.replace("mjpeg", "nothing")
        done = gesta("check", url, "--bundle", light_bundle)
        assert done.returncode == 3
        assert "there is nothing at" in done.stderr
        with Daemon(url, "--bundle", light_bundle) as daemon:
            lost = daemon.status("offline", "NOT_FOUND", timeout_s=LONG_S)
            assert lost["next_retry_s"] is not None
            assert daemon.stop() == 0


class TestPassword:
    """Any character may stand in a password, and none is ever shown."""

    @pytest.fixture(params=["mjpeg", "hls"])
    def guarded(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HttpServer]:
        login = {"user": "viewer", "password": PASSWORD}
        mjpeg = request.param == "mjpeg"
        with MjpegServer(**login) if mjpeg else HlsServer(tmp_path, **login) as server:
            yield server

    def test_right(self, guarded: HttpServer, light_bundle: Path) -> None:
        url = guarded.url_with(f"viewer:{PASSWORD}")
        with Daemon(url, "--bundle", light_bundle, "-v") as daemon:
            daemon.predictions(3, timeout_s=LONG_S)
            assert daemon.stop() == 0
            assert_secret_is_kept(daemon, PASSWORD)

    def test_wrong(self, guarded: HttpServer, light_bundle: Path) -> None:
        secret = "wr@ng:" + PASSWORD
        url = guarded.url_with(f"viewer:{secret}")
        with Daemon(url, "--bundle", light_bundle, "-v") as daemon:
            status = daemon.status("offline", "AUTH", timeout_s=LONG_S)
            assert "password" in status["detail"]
            assert status["url"].startswith("http://viewer:***@127.0.0.1:")
            assert daemon.stop() == 0
            assert_secret_is_kept(daemon, secret)

    def test_wrong_for_check(self, guarded: HttpServer, light_bundle: Path) -> None:
        secret = "wr@ng:" + PASSWORD
        url = guarded.url_with(f"viewer:{secret}")
        done = gesta("check", url, "--bundle", light_bundle)
        assert done.returncode == 3
        assert "password" in done.stderr
        assert_no_secret(done.stdout + done.stderr, secret)
