"""Stands in the daemon for a camera that another process captures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from engine.sight import Sight
from stream.configuration.config import CameraConfig
from stream.evidence.packet import Relayed
from stream.processes.distant_sight import Mirror
from stream.processes.orders import Watch
from stream.processes.reports import Gone, What
from stream.samples import SampleQueue, StreamSample
from stream.status import CaptureSnapshot, StatusChange

if TYPE_CHECKING:
    from stream.evidence.packets import PacketRing

_SECOND_NS = 1_000_000_000


class Host(Protocol):
    """The process that captures; see `stream.processes.capture_process.CaptureProcess`."""

    def watch(self, capture: RemoteCapture) -> None: ...

    def leave(self, capture: RemoteCapture) -> None: ...

    def supervise(self) -> None: ...


class RemoteCapture:
    """See `stream.capturing.Capture`. The thread that reads the process's reports calls `take` and
    `lost`, the main thread all else.

    Args:
        camera: its configuration.
        key: what its reports bear.
        host: the process.
        queue: where samples go.
        on_status: told of changes.
        epoch: the first stream epoch's number.
        open_sight: opens what makes its pictures here; gives None where the process does.
        packets: takes its encoded packets.
    """

    def __init__(
        self,
        camera: CameraConfig,
        *,
        key: int,
        host: Host,
        queue: SampleQueue,
        on_status: Callable[[StatusChange], object],
        epoch: int,
        open_sight: Callable[[], Sight | None],
        packets: PacketRing | None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.name = f"capture:{camera.name}"
        self.camera, self.key, self.queue = camera, key, queue
        self._host, self._on_status = host, on_status
        self._open_sight = open_sight
        self._mirror: Mirror | None = None
        self._packets = packets
        self._monotonic_ns = monotonic_ns
        self._epoch = epoch
        self._gone = threading.Event()
        self._began = self._stop_asked = False
        self._numbers: CaptureSnapshot | None = None  # as the process last told them
        self._last_frame_ns: int | None = None

    # --- what the main thread does ------------------------------------------------------------

    def start(self) -> None:
        """See Capture."""
        sight = self._open_sight()
        self._mirror = None if sight is None else Mirror(sight)
        self._began = True
        self._host.watch(self)

    def stop(self) -> None:
        """See Capture."""
        self._stop_asked = True
        self.queue.close()
        if self._mirror is not None:
            self._mirror.close()
        if self._began:
            self._host.leave(self)

    def join(self, timeout: float | None = None) -> None:
        """See Capture."""
        if self._began:
            self._gone.wait(timeout)

    def is_alive(self) -> bool:
        """See Capture."""
        return self._began and not self._gone.is_set()

    def supervise(self) -> None:
        """See Capture. Threads that hang are the process's own affair."""
        self._host.supervise()

    def snapshot(self) -> CaptureSnapshot:
        """See Capture."""
        numbers = self._numbers
        if numbers is None:
            numbers = _before_the_first(self.camera.name, self._epoch)
        last_ns = self._last_frame_ns
        age_s = None if last_ns is None else (self._monotonic_ns() - last_ns) / _SECOND_NS
        return replace(
            numbers,
            epoch=self._epoch,
            dropped={**numbers.dropped, "shed": self.queue.shed},
            last_frame_age_s=age_s,
            queue_depth=self.queue.depth,
        )

    # --- what the reading thread does ---------------------------------------------------------

    @property
    def is_leaving(self) -> bool:
        """Whether it was asked to end."""
        return self._stop_asked

    def order(self) -> Watch:
        """To begin, or to go on where another process has died."""
        return Watch(
            key=self.key,
            camera=self.camera,
            epoch=self._epoch,
            before=self._numbers,
            sends_frames=self._mirror is not None,
            sends_packets=self._packets is not None,
        )

    def take(self, what: What) -> None:
        """Takes a report. May wait while pictures go up to a GPU that is busy."""
        if isinstance(what, Gone):
            self.end()
        elif self._stop_asked:
            return  # whoever has its name by now, and its packets' place, is another one
        elif isinstance(what, StreamSample):
            self._epoch = max(self._epoch, what.sample.epoch)
            self._last_frame_ns = what.monotonic_ns["captured"]
            self.queue.put(what if self._mirror is None else self._mirror.completed(what))
        elif isinstance(what, Relayed):
            if self._packets is not None:
                self._packets.take(what)
        elif isinstance(what, CaptureSnapshot):
            self._note(what)
        elif isinstance(what, StatusChange):
            self._epoch = max(self._epoch, what.epoch)
            self._on_status(what)
        elif self._mirror is not None:
            self._mirror.call(what)

    def _note(self, numbers: CaptureSnapshot) -> None:
        if self._numbers is not None and numbers.received < self._numbers.received:
            return  # told with a change of state, and overtaken by newer ones
        self._numbers = numbers
        if numbers.last_frame_age_s is not None:
            age_ns = round(numbers.last_frame_age_s * _SECOND_NS)
            self._last_frame_ns = self._monotonic_ns() - age_ns

    def lost(self, detail: str, next_retry_s: float) -> None:
        """Its process has died; another one will go on, with another stream epoch."""
        self._epoch += 1
        if self._mirror is not None:
            self._mirror.begin_anew()
        if self._numbers is not None:
            self._numbers = replace(self._numbers, state="offline", received_fps=0.0)
        self._on_status(
            StatusChange(
                camera=self.camera.name,
                state="offline",
                reason=None,
                detail=detail,
                epoch=self._epoch,
                next_retry_s=next_retry_s,
                reconnects=0 if self._numbers is None else self._numbers.reconnects,
            )
        )

    def end(self) -> None:
        """Nothing comes of it any more."""
        self.queue.close()
        self._gone.set()


def _before_the_first(camera: str, epoch: int) -> CaptureSnapshot:
    return CaptureSnapshot(
        camera=camera,
        state="connecting",
        reason=None,
        epoch=epoch,
        received=0,
        received_fps=0.0,
        dropped={"thinned": 0},
        repeated=0,
        last_frame_age_s=None,
        reconnects=0,
        queue_depth=0,
        info=None,
    )
