"""Real capture processes: what they report, and what happens when one dies, hangs or is left."""

import logging
import os
import random
import signal
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from engine.flow.open import open_flow
from stream.configuration.config import CameraConfig
from stream.host_sight import HostSight
from stream.processes.capture_process import CaptureProcess
from stream.processes.link import Link
from stream.processes.remote_capture import RemoteCapture
from stream.reconnect import Backoff
from stream.samples import SampleQueue
from stream.sources.file import FileSource
from stream.sources.source import SourceOptions
from tests.stream.processes.orders import BEGIN
from tests.stream.synthetic import picture, small_manifest, write_video

PATIENCE_S = 30.0  # a busy machine; nothing waits so long in earnest


def until(condition, what=""):
    deadline_s = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline_s, what
        time.sleep(0.01)
    return found


class Rig:
    """A capture process, and what its cameras report."""

    def __init__(self, hung_s=10.0):
        self.flow_wanted = True
        self.changes, self.queues, self.captures = [], {}, {}
        self.process = CaptureProcess(
            0,
            BEGIN,
            wants_flow=lambda: self.flow_wanted,
            backoff=Backoff(base_s=0.01, rng=random.Random(0)),
            hung_s=hung_s,
        )
        self.process.start()

    def watch(self, name, url, *, open_sight=lambda: None, **camera):
        queue = self.queues[name] = SampleQueue(1000, live=True, waits_s=1e6)
        capture = self.captures[name] = RemoteCapture(
            CameraConfig(name=name, url=str(url), **camera),
            key=len(self.captures),
            host=self.process,
            queue=queue,
            on_status=self.changes.append,
            epoch=3,
            open_sight=open_sight,
            packets=None,
        )
        capture.start()
        return capture

    def told(self, name, state):
        return [each for each in self.changes if (each.camera, each.state) == (name, state)]

    def samples(self, name, count):
        return [self.queues[name].get(PATIENCE_S) for _ in range(count)]


@pytest.fixture
def rig():
    rig = Rig()
    yield rig
    rig.process.close(time.monotonic() + 5)
    assert not any(capture.is_alive() for capture in rig.captures.values())


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("video") / "a.mp4"
    return write_video(path, [picture(tick) for tick in range(40)])


def test_a_film_at_its_own_pace_gives_the_samples_that_this_process_would_make(rig, video):
    capture = rig.watch("hall", video, realtime=True)
    samples = rig.samples("hall", 40)
    assert [each.sample.tick for each in samples] == list(range(40))
    assert {each.sample.epoch for each in samples} == {3}
    until(lambda: not capture.is_alive())
    assert rig.queues["hall"].closed
    assert [each.state for each in rig.changes] == ["connecting", "live", "ended"]
    numbers = capture.snapshot()
    assert (numbers.received, numbers.state) == (40, "ended")
    assert numbers.info is not None
    sight = HostSight(small_manifest(), open_flow("dis", {}))
    source = FileSource(str(video), SourceOptions())
    source.open()
    for frame, given in zip(source.frames(), samples, strict=True):
        sight.add(given.sample.tick, frame.image(), with_flow=True)
        view = sight.view(given.sample.tick, with_flow=True)
        assert np.array_equal(given.sample.rgb, view.rgb)
        assert np.array_equal(given.sample.flow, view.flow)


def test_where_a_gpu_makes_the_pictures_samples_have_what_it_made(rig, video):
    capture = rig.watch(
        "hall",
        video,
        realtime=True,
        open_sight=lambda: HostSight(small_manifest(), open_flow("dis", {})),
    )
    samples = rig.samples("hall", 40)
    until(lambda: not capture.is_alive())
    rig.watch("door", video, realtime=True)
    for one, other in zip(samples, rig.samples("door", 40), strict=True):
        assert np.array_equal(one.sample.rgb, other.sample.rgb)
        assert np.array_equal(one.sample.flow, other.sample.flow)


def test_flow_is_left_out_while_it_is_not_wanted(rig):
    capture = rig.watch("hall", "scene:")
    assert rig.samples("hall", 5)[-1].sample.flow is not None
    rig.flow_wanted = False
    capture.supervise()
    until(lambda: rig.queues["hall"].get(PATIENCE_S).sample.flow is None)
    rig.flow_wanted = True
    capture.supervise()
    until(lambda: rig.queues["hall"].get(PATIENCE_S).sample.flow is not None)


def test_a_process_that_dies_is_replaced_and_its_cameras_go_on(rig, video, caplog):
    hall, door = rig.watch("hall", "scene:"), rig.watch("door", video, realtime=True, loop=True)
    rig.samples("hall", 3)
    until(lambda: hall.snapshot().received > 0)
    received, epoch = hall.snapshot().received, hall.snapshot().epoch
    before = rig.process.pid
    os.kill(before, signal.SIGSEGV)
    lost = until(lambda: rig.told("hall", "offline"))[0]
    assert lost.detail == "its capture process died of SIGSEGV; another one takes its place"
    assert "(hall, door) died of SIGSEGV; another one takes its place" in caplog.text
    until(lambda: rig.queues["hall"].get(PATIENCE_S).sample.epoch == epoch + 1)
    until(lambda: rig.queues["door"].get(PATIENCE_S).sample.epoch > 3)
    assert rig.process.pid != before
    assert until(lambda: hall.snapshot().reconnects) == 1
    assert hall.snapshot().received >= received  # it counts on
    assert door.is_alive()
    assert not psutil.pid_exists(before)


def test_a_process_that_stands_still_is_killed_and_replaced():
    rig = Rig(hung_s=1.0)
    try:
        rig.watch("hall", "scene:")
        rig.samples("hall", 3)
        os.kill(rig.process.pid, signal.SIGSTOP)
        lost = until(lambda: rig.told("hall", "offline"))[0]
        assert lost.detail.startswith(
            "its capture process said nothing for 1 s, and was killed; another one"
        )
        until(lambda: rig.queues["hall"].get(PATIENCE_S).sample.epoch == 4)
    finally:
        rig.process.close(time.monotonic() + 5)


def test_a_process_without_a_camera_waits_for_one():
    rig = Rig(hung_s=0.6)
    try:
        until(lambda: rig.process.pid)
        pid = rig.process.pid
        time.sleep(3.0)
        assert rig.process.pid == pid
        rig.watch("hall", "scene:")
        rig.samples("hall", 1)
    finally:
        rig.process.close(time.monotonic() + 5)


def test_nobody_waits_for_a_process_that_stands_still(rig):
    """However much it is told: a socket holds some hundred orders."""
    hall = rig.watch("hall", "scene:")
    rig.samples("hall", 1)
    os.kill(rig.process.pid, signal.SIGSTOP)
    region = tuple((0.5 + 0.4 * np.cos(a), 0.5 + 0.4 * np.sin(a)) for a in np.linspace(0, 6, 60))
    began_s = time.monotonic()
    others = [rig.watch(f"cam{n}", "scene:", region=region) for n in range(400)]
    for capture in (hall, *others):
        capture.stop()
    rig.process.close(time.monotonic() + 0.2)
    assert time.monotonic() - began_s < 5
    assert not any(capture.is_alive() for capture in (hall, *others))


def test_a_pause_of_everything_is_no_death(rig, monkeypatch):
    """A container that is halted goes on in any order."""
    link_receive, halted = Link.receive, threading.Event()

    def receive(link, timeout_s):
        if not halted.is_set():
            halted.set()
            return None  # as it finds where the clock has gone on, and no process has
        return link_receive(link, timeout_s)

    rig.watch("hall", "scene:")
    rig.samples("hall", 1)
    pid = rig.process.pid
    monkeypatch.setattr(Link, "receive", receive)
    assert halted.wait(PATIENCE_S)
    rig.samples("hall", 30)
    assert rig.process.pid == pid
    assert not rig.told("hall", "offline")


def test_one_camera_is_left_and_the_others_go_on(rig):
    hall = rig.watch("hall", "scene:?seed=1")
    rig.watch("door", "scene:?seed=2")
    rig.samples("hall", 2)
    hall.stop()
    hall.join(PATIENCE_S)
    assert not hall.is_alive()
    assert rig.queues["hall"].closed
    rig.queues["door"].get(PATIENCE_S)
    assert len(rig.samples("door", 30)) == 30
    assert not rig.told("hall", "offline")


def test_a_camera_that_is_leaving_when_the_process_dies_is_told_of_no_more(rig):
    """Its next epoch is of whoever has its name by then."""
    hall = rig.watch("hall", "scene:?seed=1")
    door = rig.watch("door", "scene:?seed=2")
    rig.samples("hall", 2)
    os.kill(rig.process.pid, signal.SIGSTOP)
    hall.stop()
    os.kill(rig.process.pid, signal.SIGKILL)
    until(lambda: rig.told("door", "offline"))
    hall.join(PATIENCE_S)
    assert not hall.is_alive()
    assert not rig.told("hall", "offline")
    assert door.is_alive()


def test_what_cannot_be_read_is_a_bug_and_another_process_goes_on(rig, monkeypatch, caplog):
    def spoil(*given):
        monkeypatch.undo()
        raise ValueError("spoilt")

    rig.watch("hall", "scene:")
    rig.samples("hall", 1)
    monkeypatch.setattr(Link, "receive", spoil)
    lost = until(lambda: rig.told("hall", "offline"))[0]
    assert "was killed after a bug (ValueError, see the log); another one" in lost.detail
    assert "spoilt" in caplog.text
    until(lambda: rig.queues["hall"].get(PATIENCE_S).sample.epoch == 4)


def test_a_camera_may_come_back_under_its_name(rig):
    first = rig.watch("hall", "scene:?seed=1")
    rig.samples("hall", 2)
    first.stop()
    again = rig.watch("hall", "scene:?seed=2")
    assert rig.samples("hall", 5)[0].sample.tick == 0
    assert again.is_alive()


def test_what_is_said_there_is_in_the_daemons_log_masked_and_no_secret_is_in_the_command(
    rig, caplog
):
    caplog.set_level(logging.INFO)
    rig.watch("hall", "rtsp://user:s3cret@127.0.0.1:9/1")
    until(lambda: rig.told("hall", "offline"))
    rig.watch("door", "scene:", explain=True)
    rig.samples("door", 1)
    assert "s3cret" not in str(rig.changes) + caplog.text
    assert "s3cret" not in str(psutil.Process(rig.process.pid).cmdline())


def test_it_ends_with_the_daemon_whatever_happens_to_that(tmp_path):
    """Its end of the socket closes when the daemon is gone, however it went."""
    rig = Rig()
    rig.watch("hall", "scene:")
    rig.samples("hall", 3)
    pid = rig.process.pid
    os.kill(pid, signal.SIGINT)  # a terminal's; it is for the daemon
    os.kill(pid, signal.SIGTERM)
    rig.samples("hall", 3)
    assert rig.process.pid == pid
    began_s = time.monotonic()
    rig.process.close(time.monotonic() + 5)
    assert time.monotonic() - began_s < 4
    assert not psutil.pid_exists(pid)


def test_it_is_killed_at_the_deadline():
    rig = Rig()
    rig.watch("hall", "scene:")
    rig.samples("hall", 1)
    pid = rig.process.pid
    os.kill(pid, signal.SIGSTOP)
    rig.process.close(time.monotonic() + 0.2)
    assert not psutil.pid_exists(pid)
    assert not rig.captures["hall"].is_alive()


def test_what_lies_in_the_working_folder_is_not_imported(tmp_path, monkeypatch):
    (tmp_path / "cv2.py").write_text("raise RuntimeError('a trap')")
    monkeypatch.chdir(tmp_path)
    rig = Rig()
    try:
        rig.watch("hall", "scene:")
        rig.samples("hall", 1)
    finally:
        rig.process.close(time.monotonic() + 5)


def test_it_is_of_the_same_gesta(rig):
    """Where this one runs from a checkout, and another one is installed."""
    until(lambda: rig.process.pid)
    path = psutil.Process(rig.process.pid).environ()["PYTHONPATH"]
    assert path.split(os.pathsep)[0] == str(Path(__file__).parents[3])


def test_a_process_that_cannot_be_started_is_told_of(rig, monkeypatch):
    hall = rig.watch("hall", "scene:")
    rig.samples("hall", 1)
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    os.kill(rig.process.pid, signal.SIGKILL)
    until(lambda: any("can't be started" in each.detail for each in rig.changes))
    hall.stop()
    hall.join(PATIENCE_S)
    assert not hall.is_alive()


def test_it_may_be_closed_as_soon_as_it_is_started():
    for _ in range(5):
        rig = Rig()
        rig.process.close(time.monotonic() + 5)
        assert rig.process.pid is None


def test_no_thread_is_left_behind():
    before = threading.active_count()
    rig = Rig()
    rig.watch("hall", "scene:")
    rig.samples("hall", 1)
    rig.process.close(time.monotonic() + 5)
    assert threading.active_count() == before
