"""The capture thread's life with sources that behave as they are told."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from engine.flow.open import open_flow
from stream.capture import CaptureThread
from stream.configuration.config import CameraConfig
from stream.errors import Reason, SourceError
from stream.frame import SourceFrame
from stream.host_sight import HostSight
from stream.reconnect import Backoff, RestartBudget
from stream.samples import SampleQueue
from stream.sources.source import Source, SourceOptions, StreamInfo
from stream.status import StatusChange
from tests.rtsp_server import RtspServer
from tests.stream.synthetic import STEP_NS, picture, small_manifest, source_frame, write_video

PATIENCE_S = 20.0  # a busy machine; nothing waits so long in earnest
Script = Callable[[SourceOptions], Iterator[SourceFrame]]


class ScriptedSource:
    """Plays a script; `live` like a camera."""

    live = True

    def __init__(self, script: Script, options: SourceOptions) -> None:
        self._script, self._options = script, options
        self.closed = 0

    def open(self) -> StreamInfo:
        return StreamInfo(128, 96, 25.0, "h264", "tcp")

    def frames(self) -> Iterator[SourceFrame]:
        return self._script(self._options)

    def close(self) -> None:
        self.closed += 1


class Rig:
    """A capture thread with everything that it tells, and a reader of its samples."""

    def __init__(
        self,
        *scripts: Script,
        url: str = "rtsp://user:s3cret@camera.example/1",
        live: bool = True,
        budget: RestartBudget | None = None,
        turns: AbstractContextManager[object] | None = None,
        **camera: object,
    ) -> None:
        self.changes: list[StatusChange] = []
        self.sources: list[ScriptedSource] = []
        self.queue = SampleQueue(1000, live=live)
        self._told = threading.Condition()
        scripted = iter(scripts)

        def open_scripted(_: str, options: SourceOptions) -> Source:
            source = ScriptedSource(next(scripted, silence), options)
            self.sources.append(source)
            return source

        extra: dict[str, object] = {"open_source": open_scripted} if scripts else {}
        if turns is not None:
            extra["turns"] = lambda: turns
        self.thread = CaptureThread(
            CameraConfig(name="hall", url=url, **camera),  # type: ignore[arg-type]
            manifest=small_manifest(),
            open_sight=lambda size: HostSight(small_manifest(), open_flow("dis", {})),
            queue=self.queue,
            on_status=self._note,
            backoff=Backoff(base_s=0.02, cap_s=0.05),
            budget=budget,
            **extra,  # type: ignore[arg-type]
        )

    def __enter__(self) -> Rig:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.thread.stop()
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()

    def wait_for(self, state: str, reason: Reason | None = None, times: int = 1) -> StatusChange:
        """Waits until so many such changes have been told; returns the last of them."""

        def found() -> list[StatusChange]:
            return [c for c in self.changes if (c.state, c.reason) == (state, reason)]

        with self._told:
            assert self._told.wait_for(lambda: len(found()) >= times, PATIENCE_S), self.changes
            return found()[times - 1]

    def ticks(self) -> list[tuple[int, int]]:
        """(epoch, tick) of every sample so far."""
        taken = []
        while (sample := self.queue.get(0)) is not None:
            taken.append((sample.sample.epoch, sample.sample.tick))
        return taken

    def _note(self, change: StatusChange) -> None:
        with self._told:
            self.changes.append(change)
            self._told.notify_all()


def silence(options: SourceOptions) -> Iterator[SourceFrame]:
    options.wait(PATIENCE_S)
    return
    yield


def play(*ticks: int, size: tuple[int, int] = (128, 96), **changes: object) -> Script:
    def script(_: SourceOptions) -> Iterator[SourceFrame]:
        for tick in ticks:
            yield source_frame(tick * STEP_NS, picture(tick, size), **changes)

    return script


def then(*scripts: Script) -> Script:
    def script(options: SourceOptions) -> Iterator[SourceFrame]:
        for each in scripts:
            yield from each(options)

    return script


def fail(error: Exception) -> Script:
    def script(_: SourceOptions) -> Iterator[SourceFrame]:
        raise error
        yield

    return script


def test_connecting_then_live_then_samples() -> None:
    with Rig(then(play(0, 1, 2), silence)) as rig:
        rig.wait_for("live")
        assert [c.state for c in rig.changes] == ["connecting", "live"]
        assert "h264, 128x96 px" in rig.changes[-1].detail
        samples = [rig.queue.get(PATIENCE_S) for _ in range(3)]
        assert [s.sample.tick for s in samples if s] == [0, 1, 2]
    assert rig.sources[0].closed == 1
    assert rig.queue.closed


def test_a_live_source_that_ends_is_a_lost_connection_and_comes_back_in_a_new_epoch() -> None:
    with Rig(play(0, 1, 2), then(play(3, 4), silence)) as rig:
        offline = rig.wait_for("offline", Reason.CONNECTION_LOST)
        live = rig.wait_for("live", Reason.CONNECTION_LOST)
        while rig.queue.depth < 5:
            time.sleep(0.01)
        assert rig.ticks() == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    assert offline.next_retry_s is not None
    assert (offline.epoch, live.epoch, live.reconnects) == (0, 1, 1)
    assert "s3cret" not in str(rig.changes)
    assert "user:***@camera.example" in offline.detail
    assert [s.closed for s in rig.sources] == [1, 1]


@pytest.mark.parametrize("reason", [Reason.AUTH, Reason.NOT_FOUND, Reason.REFUSED, Reason.TLS])
def test_a_camera_is_tried_for_ever(reason: Reason) -> None:
    refused = fail(SourceError(reason, "no"))
    with Rig(*[refused] * 12, then(play(0), silence)) as rig:
        assert rig.wait_for("offline", reason, times=12).next_retry_s is not None
        live = rig.wait_for("live")
        assert (live.epoch, live.reconnects) == (0, 0)  # it had never been there before


def test_a_stall_is_told_as_such() -> None:
    stall = fail(SourceError(Reason.STALL, "has sent nothing for 5 s"))
    with Rig(then(play(0, 1), stall), then(play(2), silence)) as rig:
        stalled = rig.wait_for("stalled", Reason.STALL)
        assert stalled.next_retry_s is not None
        assert rig.wait_for("live", Reason.STALL).epoch == 1


def test_another_size_after_a_reconnect_says_so() -> None:
    with Rig(play(0, 1), then(play(2, size=(320, 240)), silence)) as rig:
        rig.wait_for("offline", Reason.CONNECTION_LOST)
        live = rig.wait_for("live", Reason.SIZE_CHANGE)
        assert (live.epoch, "320x240" in live.detail) == (1, True)


def test_size_and_clock_within_a_connection() -> None:
    script = then(play(0, 1), play(2, size=(320, 240)), play(500, size=(320, 240)), silence)
    with Rig(script) as rig:
        assert rig.wait_for("live", Reason.SIZE_CHANGE).epoch == 1
        assert rig.wait_for("live", Reason.CLOCK_JUMP).epoch == 2
        assert [c.state for c in rig.changes] == ["connecting", "live", "live", "live"]


def test_lagging_frames_are_thinned_with_a_count_and_without_ending_the_epoch() -> None:
    # 4 s of frames read 1 s late: let through twice a second, then in time again
    late = play(*range(3, 103), lag_ms=1000.0)
    in_time = play(103, 104, lag_ms=50.0)
    with Rig(then(play(0, 1, 2), late, in_time, silence)) as rig:
        rig.wait_for("live")
        while rig.queue.depth < 105:
            time.sleep(0.01)
        assert rig.ticks() == [(0, tick) for tick in range(105)]
        numbers = rig.thread.snapshot()
        assert numbers.received == 105
        # of ticks 3..102 those 13 steps after the last one pass: 15, 28, 41, 54, 67, 80, 93
        assert numbers.dropped["late"] == 100 - 7
        assert numbers.repeated == 93
        assert len(rig.changes) == 2


def test_lag_has_two_thresholds() -> None:
    lags = [0, 400, 600, 300, 150, 90, 300]
    script = then(*(play(tick, lag_ms=float(lag)) for tick, lag in enumerate(lags)), silence)
    with Rig(script) as rig:
        while rig.queue.depth < 7:
            time.sleep(0.01)
        assert rig.thread.snapshot().dropped["late"] == 3  # 600, 300 and 150, not the last 300


def test_a_bug_is_survived_within_a_budget(caplog: pytest.LogCaptureFixture) -> None:
    bug = fail(ZeroDivisionError("rtsp://user:s3cret@camera.example/1 by zero"))
    with (
        caplog.at_level(logging.ERROR),
        Rig(*[bug] * 3, budget=RestartBudget(restarts=2)) as rig,
    ):
        rig.thread.join(PATIENCE_S)
        offline = [c for c in rig.changes if c.state == "offline"]
        assert [c.next_retry_s is not None for c in offline] == [True, True, False]
        assert "ZeroDivisionError" in offline[-1].detail
        assert "given up after 2 restarts" in offline[-1].detail
        assert rig.queue.closed
    assert "ZeroDivisionError" in caplog.text  # the traceback is logged, the password is not
    assert "s3cret" not in caplog.text + str(rig.changes)


def test_one_bad_camera_disturbs_no_other() -> None:
    bug = fail(RuntimeError("broken"))
    with Rig(*[bug] * 3, budget=RestartBudget(1)) as bad, Rig(then(play(0, 1), silence)) as good:
        bad.thread.join(PATIENCE_S)
        good.wait_for("live")
        assert good.thread.is_alive()


class Turns(AbstractContextManager["Turns"]):
    """One camera's at a time. most: how many had theirs at once; taken: how many did so far."""

    def __init__(self) -> None:
        self.lock, self.inside, self.most, self.taken = threading.Lock(), 0, 0, 0

    def __enter__(self) -> Turns:
        self.lock.acquire()
        self.inside += 1
        self.taken += 1
        self.most = max(self.most, self.inside)
        return self

    def __exit__(self, *_: object) -> None:
        self.inside -= 1
        self.lock.release()


def test_cameras_take_turns_and_a_silent_one_holds_nobody() -> None:
    turns, ticks = Turns(), range(5)
    shown = then(play(*ticks), silence)
    with (
        Rig(silence, turns=turns),
        Rig(shown, turns=turns) as hall,
        Rig(shown, turns=turns) as yard,
    ):
        deadline_s = time.monotonic() + PATIENCE_S
        while turns.taken < 2 * len(ticks) and time.monotonic() < deadline_s:
            time.sleep(0.01)
    assert (turns.taken, turns.most) == (2 * len(ticks), 1)
    assert hall.ticks() == yard.ticks() == [(0, tick) for tick in ticks]


def test_a_thread_that_never_comes_back_is_replaced() -> None:
    release = threading.Event()

    def hang(_: SourceOptions) -> Iterator[SourceFrame]:
        yield source_frame(0, picture(0))
        release.wait(PATIENCE_S)
        yield source_frame(STEP_NS, picture(1))  # of a thread long given up: must not count

    now_ns = [time.monotonic_ns()]
    rig = Rig(hang, then(play(10, 11), silence))
    rig.thread._monotonic_ns = lambda: now_ns[0]
    with rig:
        rig.wait_for("live")
        time.sleep(0.05)
        rig.thread.supervise()
        assert len(rig.sources) == 1  # not yet
        now_ns[0] += 11 * 10**9
        rig.thread.supervise()
        rig.wait_for("stalled", Reason.STALL)
        assert rig.wait_for("live", Reason.STALL).epoch == 1
        release.set()
        while rig.sources[0].closed == 0:
            time.sleep(0.01)
        while rig.queue.depth < 3:
            time.sleep(0.01)
        assert rig.ticks() == [(0, 0), (1, 0), (1, 1)]
        assert not rig.queue.closed


def test_a_stop_is_quick_while_it_waits_to_retry() -> None:
    rig = Rig(fail(SourceError(Reason.REFUSED, "no")))
    rig.thread._backoff = Backoff(base_s=1000.0, cap_s=1000.0)
    with rig:
        rig.wait_for("offline", Reason.REFUSED)
        began_s = time.monotonic()
        rig.thread.stop()
        rig.thread.join(PATIENCE_S)
        assert time.monotonic() - began_s < 2.0


def test_a_snapshot_counts() -> None:
    script = then(play(0), play(1, lost={"corrupt": 3}), play(1), play(4), silence)
    with Rig(script) as rig:
        while rig.queue.depth < 5:
            time.sleep(0.01)
        numbers = rig.thread.snapshot()
        assert (numbers.received, numbers.repeated, numbers.epoch) == (4, 2, 0)
        assert numbers.dropped == {"thinned": 1, "corrupt": 3, "shed": 0}
        assert numbers.last_frame_age_s is not None
        assert numbers.last_frame_age_s < PATIENCE_S
        assert 0 < numbers.received_fps <= 3  # three came after the first, at once: no rate yet
        assert (numbers.state, numbers.queue_depth) == ("live", 5)
        assert numbers.info is not None
    assert rig.thread.name == "capture:hall"


# --- files --------------------------------------------------------------------------------------


def test_a_file_plays_once_and_ends(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "a.mp4", (picture(tick) for tick in range(12)))
    with Rig(url=str(clip), live=False) as rig:
        ended = rig.wait_for("ended")
        rig.thread.join(PATIENCE_S)
        assert rig.ticks() == [(0, tick) for tick in range(12)]
        assert rig.queue.closed
    assert "end" in ended.detail
    assert [c.state for c in rig.changes] == ["connecting", "live", "ended"]


def test_a_looped_file_begins_an_epoch_a_loop(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "a.mp4", (picture(tick) for tick in range(5)))
    rig = Rig(url=str(clip), live=False, loop=True)
    rig.queue.capacity = 20
    with rig:
        taken = [sample for _ in range(17) if (sample := rig.queue.get(PATIENCE_S)) is not None]
        expected = [(index // 5, index % 5) for index in range(17)]
        assert [(s.sample.epoch, s.sample.tick) for s in taken] == expected


@pytest.mark.parametrize(
    ("content", "reason", "words"),
    [
        (None, Reason.NOT_FOUND, "there is no file"),
        (b"", Reason.CODEC, "is empty"),
        (b"Dear diary,\n" * 500, Reason.CODEC, "no video that can be read"),
    ],
)
def test_a_file_that_cannot_be_played_ends_with_its_reason(
    tmp_path: Path, content: bytes | None, reason: Reason, words: str
) -> None:
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    with Rig(url=str(path), live=False) as rig:
        ended = rig.wait_for("ended", reason)
        assert words in ended.detail
        rig.thread.join(PATIENCE_S)
        assert rig.queue.closed


def test_a_truncated_file_gives_what_it_has_and_ends_with_a_reason(tmp_path: Path) -> None:
    pictures = (picture(tick) for tick in range(100))
    clip = write_video(tmp_path / "a.mp4", pictures, options={"movflags": "faststart"})
    clip.write_bytes(clip.read_bytes()[:-2500])
    with Rig(url=str(clip), live=False) as rig:
        ended = rig.wait_for("ended", Reason.CODEC)
        assert "the file ends early" in ended.detail
        rig.thread.join(PATIENCE_S)
        ticks = rig.ticks()
    assert 0 < len(ticks) < 100


def test_a_stop_frees_a_file_that_waits_for_its_reader(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "a.mp4", (picture(tick) for tick in range(30)))
    rig = Rig(url=str(clip), live=False)
    rig.queue.capacity = 2
    with rig:
        while rig.queue.depth < 2:
            time.sleep(0.01)
        began_s = time.monotonic()
        rig.thread.stop()
        rig.thread.join(PATIENCE_S)
        assert time.monotonic() - began_s < 2.0


# --- a real server ------------------------------------------------------------------------------


@pytest.mark.integration
def test_a_real_camera_through_everything_that_befalls_it() -> None:
    with RtspServer(size=(160, 120)) as server, Rig(url=server.url, stall_s=1.5) as rig:
        assert rig.wait_for("live").epoch == 0
        server.stop()
        rig.wait_for("offline", Reason.CONNECTION_LOST)
        rig.wait_for("offline", Reason.REFUSED)
        server.start()
        assert rig.wait_for("live", Reason.CONNECTION_LOST).epoch == 1

        server.stop()
        server.size = (192, 144)
        server.start()
        assert rig.wait_for("live", Reason.SIZE_CHANGE).epoch == 2

        server.jump(50.0)
        assert rig.wait_for("live", Reason.CLOCK_JUMP).epoch == 3

        server.stall()
        rig.wait_for("stalled", Reason.STALL)
        server.resume()
        assert rig.wait_for("live", Reason.STALL).epoch == 4
        assert rig.thread.snapshot().reconnects == 3

        by_epoch: dict[int, list[int]] = {}
        for epoch, tick in rig.ticks():
            by_epoch.setdefault(epoch, []).append(tick)
    assert all(ticks == list(range(len(ticks))) for ticks in by_epoch.values())


@pytest.mark.integration
def test_a_hole_in_a_connection_that_stays_open() -> None:
    with RtspServer(size=(160, 120)) as server, Rig(url=server.url, stall_s=20.0) as rig:
        rig.wait_for("live")
        time.sleep(0.5)
        server.stall()
        time.sleep(2.0)
        server.resume()
        assert rig.wait_for("live", Reason.STALL).epoch == 1
        assert [c.state for c in rig.changes] == ["connecting", "live", "live"]
