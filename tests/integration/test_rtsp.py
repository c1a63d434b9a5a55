"""A camera over RTSP, from the server's packets to a subscriber in another process.

Everything that cameras do wrong is done here to a real daemon, by the in-tree server and by
GStreamer's: killed and restarted, restarted with another picture size, silent without closing,
timestamps that leap. The daemon must come back by itself each time, say why, count a new stream
epoch, and let no window span the hole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.gstreamer_server import GStreamerServer
from tests.gstreamer_server import missing as gstreamer_missing
from tests.integration.processes import Daemon, Watcher, epochs, gapless, gesta
from tests.integration.verdicts import (
    assert_no_secret,
    assert_secret_is_kept,
    assert_windows_are_within_epochs,
    hole_s,
    steady,
)
from tests.rtsp_server import Picture, RtspServer

Server = RtspServer | GStreamerServer

PASSWORD = "p@ssage:w/rd#50%?&+ öffne"
STALL_S = 3.0
CONFIG = """
capture_processes = {processes}
[[camera]]
name = "cam0"
url = "{url}"
stall_s = {stall_s}
"""

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def without_gstreamer() -> str | None:
    return gstreamer_missing()


@pytest.fixture(scope="module", params=["in-tree", "gstreamer"])
def make_server(
    request: pytest.FixtureRequest, without_gstreamer: str | None
) -> Callable[..., Server]:
    if request.param == "in-tree":
        return RtspServer
    if without_gstreamer:
        pytest.skip(f"{without_gstreamer}: the in-tree server carries this test alone")
    return GStreamerServer


@pytest.fixture(scope="module")
def server(make_server: Callable[..., Server]) -> Iterator[Server]:
    with make_server() as started:
        yield started


@pytest.fixture(scope="module")
def watched(
    server: Server, light_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Daemon]:
    """A daemon on the server, read by `gesta watch`: one for all the trouble below. What GStreamer
    sends is captured by a process of its own.
    """
    config = tmp_path_factory.mktemp("config") / "gesta.toml"
    processes = int(isinstance(server, GStreamerServer))
    config.write_text(CONFIG.format(processes=processes, url=server.url, stall_s=STALL_S))
    with Daemon("--config", config, "--bundle", light_bundle, watch=True) as daemon:
        yield daemon


class TestRolling:
    """One daemon through all of it, in this order."""

    def test_whole_windows_several_times_a_second(self, watched: Daemon) -> None:
        newest = steady(watched)
        assert newest["window"] == {
            "frames": 8, "fill": 1.0, "complete": True, "repeated": 0, "shed": 0,
        }  # fmt: skip
        assert newest["stream_epoch"] == 0
        assert sum(newest["probabilities"]) == pytest.approx(1, abs=1e-4)
        assert newest["time"]["clock"] in ("arrival", "rtcp")
        predictions = watched.predictions(20)
        assert gapless(predictions)
        assert hole_s(predictions[0], predictions[-1]) / len(predictions) < 0.5
        (meta, *_) = (m for m in watched.messages.all if m["type"] == "meta")
        assert newest["top"][0]["label"] in meta["classes"]
        beats = watched.wait_for(lambda: watched.messages.of("heartbeat"), "heartbeat")
        assert beats[-1]["cameras"][0]["state"] == "live"

    def test_killed_and_restarted(self, server: Server, watched: Daemon) -> None:
        epoch, heard = steady(watched)["stream_epoch"], len(watched.messages.all)
        server.stop()
        lost = watched.status("offline", after=heard)
        assert lost["reason"] in ("CONNECTION_LOST", "REFUSED")
        assert lost["next_retry_s"] is not None
        time.sleep(1.0)
        server.start()
        live = watched.status("live", after=heard, timeout_s=60)
        assert live["stream_epoch"] == epoch + 1
        assert live["reconnects"] == 1
        assert watched.complete(stream_epoch=epoch + 1)

    def test_restarted_with_another_size(self, server: Server, watched: Daemon) -> None:
        epoch, heard = steady(watched)["stream_epoch"], len(watched.messages.all)
        server.stop()
        server.size = (640, 360)
        server.start()
        live = watched.status("live", after=heard, timeout_s=60)
        assert live["reason"] == "SIZE_CHANGE"
        assert "640x360" in live["detail"]
        assert live["stream_epoch"] == epoch + 1
        assert watched.complete(stream_epoch=epoch + 1)

    def test_silent_without_closing(self, server: Server, watched: Daemon) -> None:
        epoch, heard = steady(watched)["stream_epoch"], len(watched.messages.all)
        server.stall()
        stalled = watched.status("stalled", "STALL", after=heard)
        assert STALL_S <= stalled["last_frame_age_s"] < STALL_S + 3
        server.resume()
        live = watched.status("live", after=heard, timeout_s=60)
        assert live["stream_epoch"] == epoch + 1
        assert watched.complete(stream_epoch=epoch + 1)
        *_, before, after = epochs(watched.messages.of("prediction"))
        assert hole_s(before[-1], after[0]) > STALL_S

    def test_silent_for_a_moment(self, server: Server, watched: Daemon) -> None:
        """Longer than max_gap_s and too short for a stall: no reconnect, and still a new epoch."""
        epoch, heard = steady(watched)["stream_epoch"], len(watched.messages.all)
        reconnects = watched.messages.of("status")[-1]["reconnects"]
        server.stall()
        time.sleep(1.5)
        server.resume()
        live = watched.status("live", "STALL", after=heard)
        assert live["stream_epoch"] == epoch + 1
        assert live["reconnects"] == reconnects
        assert watched.complete(stream_epoch=epoch + 1)

    @pytest.mark.parametrize("seconds", [3600.0, -1.5], ids=["forward", "back"])
    def test_timestamps_leap(self, server: Server, watched: Daemon, seconds: float) -> None:
        epoch, heard = steady(watched)["stream_epoch"], len(watched.messages.all)
        reconnects = watched.messages.of("status")[-1]["reconnects"]
        server.jump(seconds)
        live = watched.status("live", "CLOCK_JUMP", after=heard)
        assert live["stream_epoch"] == epoch + 1
        assert live["reconnects"] == reconnects
        assert watched.complete(stream_epoch=epoch + 1)

    def test_no_window_spanned_a_hole(self, watched: Daemon) -> None:
        steady(watched)
        assert watched.stop() == 0
        assert_windows_are_within_epochs(watched)
        assert gapless(watched.messages.of("prediction"))


def test_size_changes_within_the_stream(light_bundle: Path) -> None:
    with RtspServer() as server, Daemon(server.url, "--bundle", light_bundle) as daemon:
        daemon.complete(stream_epoch=0, timeout_s=60)
        server.change_size((480, 272))
        live = daemon.status("live", "SIZE_CHANGE")
        assert live["stream_epoch"] == 1
        assert daemon.complete(stream_epoch=1)
        assert daemon.stop() == 0
        assert_windows_are_within_epochs(daemon)


def test_garbage_in_the_stream(light_bundle: Path) -> None:
    with RtspServer() as server, Daemon(server.url, "--bundle", light_bundle) as daemon:
        daemon.complete(timeout_s=60)
        server.garbage(40)
        heard = len(daemon.messages.all)
        daemon.wait_for(
            lambda: [
                m for m in daemon.messages.all[heard + 20 :]
                if m["type"] == "prediction" and m["window"]["complete"]
            ],
            "whole windows after garbage",
        )  # fmt: skip
        assert daemon.stop() == 0


def test_udp(make_server: Callable[..., Server], light_bundle: Path) -> None:
    with (
        make_server() as server,
        Daemon(server.url, "--transport", "udp", "--bundle", light_bundle) as daemon,
    ):
        daemon.complete(timeout_s=60)
        assert daemon.stop() == 0


def test_one_dead_camera_leaves_the_others_alone(light_bundle: Path) -> None:
    with RtspServer() as good, RtspServer(fps=12.5) as slow, RtspServer() as dead:
        dead.stop()
        with Daemon(dead.url, good.url, slow.url, "--bundle", light_bundle) as daemon:
            assert daemon.status("offline", "REFUSED", camera="cam0")
            for camera in ("cam1", "cam2"):
                daemon.complete(camera=camera, timeout_s=60)
            time.sleep(4)  # some vain attempts at the dead one
            for camera in ("cam1", "cam2"):
                predictions = daemon.messages.of("prediction", camera)
                assert gapless(predictions)
                assert {p["stream_epoch"] for p in predictions} == {0}
                assert len(daemon.messages.of("status", camera, state="live")) == 1
            tries = daemon.messages.of("status", "cam0", state="offline")
            assert len(tries) > 1
            dead.start()
            daemon.complete(camera="cam0", timeout_s=60)
            assert daemon.stop() == 0


class TestPassword:
    """Any character may stand in a password, encoded or not, and none is ever shown."""

    @pytest.fixture
    def guarded(self, make_server: Callable[..., Server]) -> Iterator[Server]:
        with make_server(user="viewer", password=PASSWORD) as server:
            yield server

    @pytest.mark.parametrize("encoded", [True, False], ids=["encoded", "raw"])
    def test_right(self, guarded: Server, light_bundle: Path, encoded: bool) -> None:
        secret = quote(PASSWORD, safe="") if encoded else PASSWORD
        with Daemon(guarded.url_with(f"viewer:{secret}"), "--bundle", light_bundle, "-v") as daemon:
            daemon.predictions(3, timeout_s=60)
            assert daemon.stop() == 0
            assert_secret_is_kept(daemon, PASSWORD)

    def test_from_the_environment(
        self, guarded: Server, light_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HALLWAY_PASSWORD", PASSWORD)
        config = tmp_path / "gesta.toml"
        url = guarded.url_with("viewer:${HALLWAY_PASSWORD}")
        config.write_text(CONFIG.format(processes=0, url=url, stall_s=5.0))
        with Daemon("--config", config, "--bundle", light_bundle, "-v") as daemon:
            daemon.predictions(3, timeout_s=60)
            assert daemon.stop() == 0
            assert_secret_is_kept(daemon, PASSWORD)

    def test_wrong(self, guarded: Server, light_bundle: Path) -> None:
        secret = "wr@ng:" + PASSWORD
        with Daemon(guarded.url_with(f"viewer:{secret}"), "--bundle", light_bundle, "-v") as daemon:
            status = daemon.status("offline", "AUTH")
            assert "password" in status["detail"]
            assert status["url"].startswith("rtsp://viewer:***@127.0.0.1:")
            assert daemon.stop() == 0
            assert_secret_is_kept(daemon, secret)

    def test_wrong_for_check(self, guarded: Server, light_bundle: Path) -> None:
        secret = "wr@ng:" + PASSWORD
        done = gesta("check", guarded.url_with(f"viewer:{secret}"), "--bundle", light_bundle)
        assert done.returncode == 3
        assert "password" in done.stderr
        assert_no_secret(done.stdout + done.stderr, secret)


def test_scene_over_rtsp(light_bundle: Path) -> None:
    """The drawn scene, through a real encoder and a real network protocol."""
    from stream.scene import Scene

    scene = iter(Scene(seed=1_000_001, width=320, height=240))
    drawn: list[Picture] = []

    def picture(tick: int, size: tuple[int, int]) -> Picture:
        while len(drawn) <= tick:
            drawn.append(next(scene).image.copy())
        return drawn[tick]

    with (
        RtspServer(picture=picture) as server,
        Daemon(server.url, "--bundle", light_bundle) as daemon,
    ):
        daemon.complete(timeout_s=60)
        predictions = daemon.predictions(20)
        assert daemon.stop() == 0
    changes = [
        max(abs(a - b) for a, b in zip(p["probabilities"], q["probabilities"], strict=True))
        for p, q in pairwise(predictions)
    ]
    assert max(changes) > 1e-3  # the picture moves, and the numbers with it


def test_late_subscriber_knows_the_state_at_once(light_bundle: Path) -> None:
    with RtspServer() as server, Daemon(server.url, "--bundle", light_bundle) as daemon:
        daemon.complete(timeout_s=60)
        late = Watcher(daemon.endpoint)
        try:
            for kind in ("meta", "status", "prediction"):
                (first, *_) = late.messages.wait(
                    lambda kind=kind: [m for m in late.messages.all if m["type"] == kind],
                    f"the last {kind}",
                    also=daemon,
                )
                if kind != "prediction":  # of those a newer one may come first
                    assert first["replay"]
        finally:
            late.close()
        assert daemon.stop() == 0
