"""Gathers what the cameras have ready into one batch for the inference thread."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from threading import Event, Lock

from stream.samples import SampleQueue, StreamSample

LARGEST_BATCH = 16
GATHER_S = 0.002  # how long the first sample of a batch waits for others


class Batcher:
    """Takes at most one sample a camera per batch, in turn, so that no camera starves another.

    A lone camera is never made to wait. With several, those that come within `gather_s` share a
    batch; while one batch is computed the next gathers by itself.

    Any thread may add and remove cameras; the next batch knows of it. All else is for
    the inference thread.

    Args:
        queues: each camera's, by name, of those it begins with.
        wakeup: what every queue sets when something is put into it, or when it is closed.
        largest: samples in one batch at most.
    """

    def __init__(
        self,
        queues: Mapping[str, SampleQueue],
        *,
        wakeup: Event,
        largest: int = LARGEST_BATCH,
        gather_s: float = GATHER_S,
    ) -> None:
        self._queues = deque(queues.items())
        self._wakeup = wakeup
        self._largest = largest
        self._gather_s = gather_s
        self._lock = Lock()
        self._asked: list[tuple[str, SampleQueue | None]] = []  # in their order; None: removed
        self._removed: list[str] = []

    def add(self, camera: str, queue: SampleQueue) -> None:
        """From now on this camera's samples are taken, too."""
        with self._lock:
            self._asked.append((camera, queue))
        self._wakeup.set()

    def remove(self, camera: str) -> None:
        """Nothing more is taken of this camera; what waits in its queue is lost."""
        with self._lock:
            self._asked.append((camera, None))
        self._wakeup.set()

    def removed(self) -> list[str]:
        """The cameras that the last call of `next` has dropped, before it took its batch."""
        removed, self._removed = self._removed, []
        return removed

    def next(self, timeout_s: float) -> list[StreamSample]:
        """The next batch; empty at the timeout, or when nothing will come any more."""
        self._do_as_asked()
        batch: dict[str, StreamSample] = {}
        deadline_s = time.monotonic() + timeout_s
        while True:
            self._wakeup.clear()  # before looking: whatever is put from here on sets it again
            was_empty = not batch
            self._take_into(batch)
            if was_empty and batch:
                deadline_s = time.monotonic() + self._gather_s
            left_s = deadline_s - time.monotonic()
            if self._is_whole(batch) or left_s <= 0:
                return list(batch.values())
            self._wakeup.wait(left_s)

    @property
    def drained(self) -> bool:
        """Every queue is closed and empty: nothing will come any more."""
        self._do_as_asked()
        return all(queue.closed and not queue.depth for _, queue in self._queues)

    def _do_as_asked(self) -> None:
        with self._lock:
            asked, self._asked = self._asked, []
        for camera, queue in asked:
            if queue is not None:
                self._queues.append((camera, queue))
                continue
            self._removed.append(camera)
            self._queues = deque(each for each in self._queues if each[0] != camera)

    def _take_into(self, batch: dict[str, StreamSample]) -> None:
        for _ in range(len(self._queues)):
            if len(batch) == self._largest:
                return  # whoever had no turn now is first the next time
            name, queue = self._queues[0]
            self._queues.rotate(-1)
            if name not in batch and (sample := queue.get(0)) is not None:
                batch[name] = sample

    def _is_whole(self, batch: Mapping[str, StreamSample]) -> bool:
        awaited = sum(
            name not in batch and not (queue.closed and not queue.depth)
            for name, queue in self._queues
        )
        return not awaited or len(batch) == self._largest
