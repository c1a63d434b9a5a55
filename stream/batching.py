"""Gathers what the cameras have ready into one batch for the inference thread."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from threading import Event, Lock

from stream.samples import SampleQueue, StreamSample


class Batcher:
    """Takes at most one sample a camera per batch, in turn, so that no camera starves another.

    A batch is what waits when the engine is free: nobody waits for it to grow. Where there is room
    a sample is taken at once; under load the next batch gathers while one is computed, until it is
    as large as the engine can use, so that waiting would make it later, and nothing cheaper.

    Any thread may add and remove cameras; the next batch knows of it. All else is for
    the inference thread.

    Args:
        queues: each camera's, by name, of those it begins with.
        wakeup: what every queue sets when something is put into it, or when it is closed.
    """

    def __init__(self, queues: Mapping[str, SampleQueue], *, wakeup: Event) -> None:
        self._queues = deque(queues.items())
        self._wakeup = wakeup
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

    def next(
        self, timeout_s: float, largest: int, meanwhile: Callable[[], object] = lambda: None
    ) -> list[StreamSample]:
        """The next batch; empty at the timeout, or when nothing will come any more.

        largest: samples in it at most. meanwhile: done whenever anything has come.
        """
        self._do_as_asked()
        deadline_s = time.monotonic() + timeout_s
        while True:
            self._wakeup.clear()  # before looking: whatever is put from here on sets it again
            meanwhile()
            batch = self._take(largest)
            left_s = deadline_s - time.monotonic()
            if batch or left_s <= 0 or self._is_over():
                return batch
            self._wakeup.wait(left_s)

    @property
    def drained(self) -> bool:
        """Every queue is closed and empty: nothing will come any more."""
        self._do_as_asked()
        return self._is_over()

    def _is_over(self) -> bool:
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

    def _take(self, largest: int) -> list[StreamSample]:
        batch: list[StreamSample] = []
        for _ in range(len(self._queues)):
            if len(batch) == largest:
                break  # whoever had no turn now is first the next time
            _, queue = self._queues[0]
            self._queues.rotate(-1)
            if queue.depth and (sample := queue.get(0)) is not None:
                batch.append(sample)
        return batch
