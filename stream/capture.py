"""The capture thread: keeps one camera open for ever, and turns its frames into samples."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from engine.manifest import Manifest
from stream.configuration.config import CameraConfig
from stream.errors import ConfigError, Reason, SourceError
from stream.frame import SourceFrame
from stream.reconnect import Backoff, RestartBudget
from stream.sampler import OpenSight, Sampler
from stream.samples import SampleSink
from stream.sources.history import History
from stream.sources.open import is_file, open_source
from stream.sources.source import Decoder, PacketTap, Source, SourceOptions, StreamInfo
from stream.status import CaptureSnapshot, State, StatusChange, explained

OPEN_TIMEOUT_S = 10.0
_LATE_MS, _IN_TIME_MS = 500.0, 100.0  # thinning begins at the one lag and ends at the other
_GRACE_S = 5.0  # what FFmpeg may overstay its own timeouts before its thread is given up
_RATE_OVER_NS = 5_000_000_000
_SECOND_NS = 1_000_000_000

_log = logging.getLogger(__name__)


class CaptureThread:
    """One camera's thread, `capture:<camera>`: opens, reads, samples, reconnects.
    See `stream.capturing.Capture`.

    Whatever happens to this camera stays here: an error becomes a status, a bug is logged and the
    work started again within a budget. The main thread calls `supervise` about once a second; it
    replaces a thread that FFmpeg doesn't give back in spite of its timeouts.

    Args:
        camera: its configuration.
        manifest: the bundle's.
        open_sight: opens what this camera's pictures are seen with.
        queue: where samples go; closed when no more will come.
        on_status: called from the capture thread (from `supervise` for a thread given up).
        wants_flow: whether the flow stream is wanted at the moment.
        packets: takes the camera's encoded packets; None where nobody wants them.
        decoder: see SourceOptions.
        turns: gives what is held while a frame becomes a sample: not all cameras' may at once.
        epoch: the first stream epoch's number.
        before: the numbers of a process that had the camera before, which go on.
        open_source: makes the source; tests give their own.
    """

    def __init__(
        self,
        camera: CameraConfig,
        *,
        manifest: Manifest,
        open_sight: OpenSight,
        queue: SampleSink,
        on_status: Callable[[StatusChange], object],
        wants_flow: Callable[[], bool] = lambda: True,
        packets: PacketTap | None = None,
        decoder: Decoder = "cpu",
        turns: Callable[[], AbstractContextManager[object]] = nullcontext,
        epoch: int = 0,
        before: CaptureSnapshot | None = None,
        open_source: Callable[[str, SourceOptions], Source] = open_source,
        backoff: Backoff | None = None,
        budget: RestartBudget | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.name = f"capture:{camera.name}"
        self.camera = camera
        self.queue = queue
        self._on_status = on_status
        self._packets = packets
        self._decoder = decoder
        self._turns = turns
        self._open_source = open_source
        self._backoff = Backoff() if backoff is None else backoff
        self._budget = RestartBudget() if budget is None else budget
        self._monotonic_ns = monotonic_ns
        self._sampler = Sampler(
            camera.name,
            manifest,
            open_sight,
            camera.max_gap_s,
            wants_flow=wants_flow,
            epoch=epoch,
            monotonic_ns=monotonic_ns,
        )
        self._stop_asked = threading.Event()
        self._lock = threading.Lock()  # held while a frame is taken, and while a thread is replaced
        self._thread = self._new_thread()
        self._due_ns: int | None = None  # when the thread must have given a sign of life
        self._state: State = "connecting"
        self._reason: Reason | None = None
        self._info: StreamInfo | None = None
        self._received, self._reconnects = 0, 0
        self._was_live = self._is_late = False
        self._arrivals_ns: deque[int] = deque(maxlen=256)
        self._history = History()
        if before is not None:
            self._received, self._reconnects = before.received, before.reconnects
            self._was_live = before.received > 0
            self._sampler.dropped |= before.dropped
            self._sampler.repeated = before.repeated

    # --- what the main thread does ------------------------------------------------------------

    def start(self) -> None:
        """Begins; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Asks the thread to end; one that waits inside FFmpeg ends later, or with the process."""
        self._stop_asked.set()
        self.queue.close()  # first: what a push that is let go gives, nobody may take
        self._sampler.close()

    def join(self, timeout: float | None = None) -> None:
        """Waits for the thread's end, at most `timeout` seconds."""
        self._thread.join(timeout)

    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def supervise(self) -> None:
        """Gives up a thread that is blocked far beyond its timeouts, and starts another."""
        due_ns = self._due_ns
        if due_ns is None or self._monotonic_ns() < due_ns or self._stop_asked.is_set():
            return
        with self._lock:
            if self._due_ns != due_ns:
                return  # it has just come back
            self._due_ns = None
            self._thread = self._new_thread()  # the old one is no longer `_is_current`
            self._sampler.end_epoch(Reason.STALL)
        detail = f"{self.camera.masked_url} hangs; its thread is given up for a new one"
        _log.error("%s: %s", self.name, detail)
        self._tell("stalled", Reason.STALL, detail)
        self._thread.start()

    def snapshot(self) -> CaptureSnapshot:
        """The numbers as they are now; for any thread."""
        now_ns = self._monotonic_ns()
        arrivals_ns = self._arrivals_ns.copy()
        recent_ns = [each for each in arrivals_ns if now_ns - each <= _RATE_OVER_NS]
        spread_ns = recent_ns[-1] - recent_ns[0] if recent_ns else 0
        return CaptureSnapshot(
            camera=self.camera.name,
            state=self._state,
            reason=self._reason,
            epoch=self._sampler.epoch,
            received=self._received,
            # A camera begins with what it has waiting, all at once: that is no rate.
            received_fps=max(0, len(recent_ns) - 1) * _SECOND_NS / max(spread_ns, _SECOND_NS),
            dropped=self._sampler.dropped | {"shed": self.queue.shed},
            repeated=self._sampler.repeated,
            last_frame_age_s=(now_ns - arrivals_ns[-1]) / _SECOND_NS if arrivals_ns else None,
            reconnects=self._reconnects,
            queue_depth=self.queue.depth,
            info=self._info,
        )

    # --- the thread ---------------------------------------------------------------------------

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run, name=self.name, daemon=True)

    def _is_current(self) -> bool:
        return threading.current_thread() is self._thread and not self._stop_asked.is_set()

    def _run(self) -> None:
        """The thread's life: connection after connection."""
        while self._is_current() and self._goes_on():
            pass
        if threading.current_thread() is self._thread:
            self._due_ns = None
            self.queue.close()

    def _goes_on(self) -> bool:
        """One connection from opening to its end, and the wait behind it; False: no more."""
        try:
            ended = self._read_source()
        except SourceError as error:
            return self._is_current() and self._lost(error.reason, str(error))
        except ConfigError as error:
            self._tell("ended", Reason.NOT_FOUND, str(error))  # a scene's URL; it won't change
            return False
        except Exception as error:  # noqa: BLE001  one bad camera never disturbs the others
            return self._is_current() and self._survives(error)
        if ended and self._is_current():
            self._tell("ended", None, "it has come to its end")
        return False

    def _read_source(self) -> bool:
        """Opens and reads to the end; True where a file has ended, False where it was stopped."""
        self._tell("connecting", None, "")
        self._allow(2 * OPEN_TIMEOUT_S)
        source = self._open_source(self.camera.url, self._options())
        try:
            self._info = source.open()
            is_first = True
            self._allow(self.camera.stall_s if source.live else None)
            for frame in source.frames():
                if not self._take(frame, is_first=is_first):
                    return False
                is_first = False
                self._allow(self.camera.stall_s if source.live else None)
            if source.live and self._is_current():
                raise SourceError(
                    Reason.CONNECTION_LOST, f"{self.camera.masked_url} ended the stream"
                )
            return True
        finally:
            source.close()

    def _take(self, frame: SourceFrame, *, is_first: bool) -> bool:
        """Takes a frame in; False where this thread is to end."""
        with self._lock:
            if not self._is_current():
                return False
            self._due_ns = None
            self._received += 1
            self._arrivals_ns.append(self._monotonic_ns())
            if self._is_given_up(frame):
                self._sampler.count_dropped("late", 1)
                return True
            epoch = self._sampler.epoch
            with self._turns():
                samples = self._sampler.push(frame)
        if is_first:
            self._backoff.connected()
            self._reconnects += self._was_live
            self._was_live = True
        if is_first or (self._sampler.epoch != epoch and self._sampler.epoch_reason is not None):
            reason = self._sampler.epoch_reason if self._sampler.epoch != epoch else None
            words = explained(reason, frame, self._info, self.camera.max_gap_s)
            self._tell("live", reason, words)
        return all(self.queue.put(sample) for sample in samples)

    def _is_given_up(self, frame: SourceFrame) -> bool:
        """Whether to drop a frame unseen, since reading has fallen behind the camera.

        One frame is let through before the hole gets long enough to end the epoch.
        """
        self._is_late = frame.lag_ms > (_IN_TIME_MS if self._is_late else _LATE_MS)
        return self._is_late and 0 <= self._sampler.hole_s(frame) < self.camera.max_gap_s / 2

    def _lost(self, reason: Reason, detail: str) -> bool:
        """The source failed: tells so and waits; False where it is a file, which stays as it is."""
        self._sampler.end_epoch(reason if reason is Reason.STALL else Reason.CONNECTION_LOST)
        if not self._is_endless():
            self._tell("ended", reason, detail)
            return False
        state: State = "stalled" if reason is Reason.STALL else "offline"
        return self._tells_and_waits(state, reason, detail)

    def _survives(self, error: Exception) -> bool:
        """A bug: logs it, tells of it, and goes on while the budget lasts."""
        text = self.camera.mask("".join(traceback.format_exception(error)))
        _log.error("%s: a bug, please report it:\n%s", self.name, text)
        what = f"a bug in the capture thread ({type(error).__name__}, see the log)"
        self._sampler.end_epoch(Reason.CONNECTION_LOST)
        if self._budget.spend():
            return self._tells_and_waits("offline", None, f"{what}; it is started again")
        self._tell("offline", None, f"{what}; given up after {self._budget.restarts} restarts")
        return False

    def _tells_and_waits(self, state: State, reason: Reason | None, detail: str) -> bool:
        wait_s = self._backoff.next_wait_s()
        self._due_ns = None
        self._tell(state, reason, detail, next_retry_s=wait_s)
        return not self._stop_asked.wait(wait_s)

    def _tell(
        self,
        state: State,
        reason: Reason | None,
        detail: str,
        next_retry_s: float | None = None,
    ) -> None:
        self._state, self._reason = state, reason
        self._on_status(
            StatusChange(
                camera=self.camera.name,
                state=state,
                reason=reason,
                detail=self.camera.mask(detail),
                epoch=self._sampler.epoch,
                next_retry_s=next_retry_s,
                reconnects=self._reconnects,
            )
        )

    def _allow(self, blocked_s: float | None) -> None:
        """Says how long the coming call may block before `supervise` gives the thread up."""
        if blocked_s is None:
            self._due_ns = None
        elif threading.current_thread() is self._thread:
            self._due_ns = self._monotonic_ns() + round((blocked_s + _GRACE_S) * _SECOND_NS)

    def _options(self) -> SourceOptions:
        return SourceOptions(
            transport=self.camera.transport,
            open_timeout_s=OPEN_TIMEOUT_S,
            stall_s=self.camera.stall_s,
            loop=self.camera.loop,
            realtime=bool(self.camera.realtime),
            wait=self._stop_asked.wait,
            history=self._history,
            decoder=self._decoder,
            packets=self._packets,
        )

    def _is_endless(self) -> bool:
        return not is_file(self.camera.url)
