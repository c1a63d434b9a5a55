"""What the capture thread hands to the inference thread: samples, and the queue between them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import Condition
from typing import Protocol

from engine.arrays import U8
from engine.recogniser import Sample
from stream.frame import Clock

# How far a slow machine may fall behind before newer samples win. Encoders hold frames back for 400
# to 500 ms around a keyframe and then send them all at once: those must not be lost.
WAITS_S = 0.6
SMALLEST_QUEUE = 4


def queue_capacity(prediction_hz: float) -> int:
    """Samples of a camera that may wait, where so many come in a second."""
    return max(SMALLEST_QUEUE, round(prediction_hz * WAITS_S))


@dataclass(frozen=True, slots=True)
class StreamSample:
    """A sample for the recogniser with everything its message will need.

    Attributes:
        sample: what the recogniser reads.
        capture_ns: UTC nanoseconds of the sample's tick.
        clock, uncertainty_ms: where `capture_ns` comes from and how far off it may be.
        monotonic_ns: marks of `time.monotonic_ns()` by stage, in order: "captured" (the frame
            reached the sampler), "sampled".
        truth: the label performed, where the source knows it.
        dropped: frames lost so far in the life of the camera, by cause: "thinned", "late",
            "corrupt"; `SampleQueue.get` adds "shed". Cumulative.
        frame: the whole frame at model scale, U8[h,w,3], only where explain was asked for.
    """

    sample: Sample
    capture_ns: int
    clock: Clock
    uncertainty_ms: float
    monotonic_ns: Mapping[str, int]
    truth: str | None
    dropped: Mapping[str, int]
    frame: U8 | None = None


class SampleSink(Protocol):
    """Where a capture thread puts its samples.

    shed: samples that lost their payload here so far. depth: samples waiting.
    """

    @property
    def shed(self) -> int: ...

    @property
    def depth(self) -> int: ...

    def put(self, sample: StreamSample) -> bool:
        """Hands over a sample; may wait. False (and the sample is lost) once it is closed."""
        ...

    def close(self) -> None:
        """Whoever waits is let go."""
        ...


class SampleQueue:
    """A bounded hand-over from one capture thread to the inference thread.

    Live: newest wins. When it is full, or when the oldest has waited for longer than `waits_s` and
    a newer one is there, the oldest loses its payload and is entered in the ledger of its successor
    (`shed_before`), so that the window counts it and never stretches in time. So a sample is never
    later than that, however slow the machine is.
    Not live (files): `put` waits until there is room, and nothing is lost.

    `wakeup` is called (outside the lock) after each put and after close, so that one thread can
    wait for many queues: let it set one shared `threading.Event`.
    """

    def __init__(
        self,
        capacity: int = 4,
        *,
        live: bool,
        waits_s: float = WAITS_S,
        wakeup: Callable[[], None] | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"a queue needs a capacity of at least 1, not {capacity}")
        self.capacity = capacity
        self.live = live
        self._waits_ns = round(waits_s * 1e9)
        self._clock_ns = clock_ns
        self._wakeup = wakeup
        self._samples: deque[StreamSample] = deque()
        self._put_ns: deque[int] = deque()  # when each came
        self._changed = Condition()
        self._closed = False
        self._shed = 0

    def put(self, sample: StreamSample) -> bool:
        """Hands over a sample; False (and the sample is lost) once the queue is closed."""
        with self._changed:
            if not self.live:
                self._changed.wait_for(lambda: self._closed or self.depth < self.capacity)
            if self._closed:
                return False
            self._samples.append(sample)
            self._put_ns.append(self._clock_ns())
            if len(self._samples) > self.capacity:
                self._shed_oldest()
            self._changed.notify_all()
        if self._wakeup is not None:
            self._wakeup()
        return True

    def get(self, timeout_s: float | None = None) -> StreamSample | None:
        """The oldest sample; None at the timeout (0 = don't wait), or closed and empty."""
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        with self._changed:
            while not self._samples:
                left_s = None if deadline_s is None else deadline_s - time.monotonic()
                if self._closed or (left_s is not None and left_s <= 0):
                    return None
                self._changed.wait(left_s)
            if self.live:
                self._shed_late()
            sample = self._samples.popleft()
            self._put_ns.popleft()
            self._changed.notify_all()
            return replace(sample, dropped={**sample.dropped, "shed": self._shed})

    def close(self) -> None:
        """Wakes everybody: `put` refuses from now on, `get` still empties what is there."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._wakeup is not None:
            self._wakeup()

    @property
    def depth(self) -> int:
        """Samples waiting."""
        return len(self._samples)

    @property
    def closed(self) -> bool:
        """True after `close()`; samples may still be waiting."""
        return self._closed

    @property
    def shed(self) -> int:
        """Samples that lost their payload so far."""
        return self._shed

    def _shed_late(self) -> None:
        late_ns = self._clock_ns() - self._waits_ns
        while len(self._samples) > 1 and self._put_ns[0] < late_ns:
            self._shed_oldest()

    def _shed_oldest(self) -> None:
        oldest, successor = self._samples.popleft().sample, self._samples[0]
        self._put_ns.popleft()
        self._shed += 1
        if successor.sample.epoch == oldest.epoch:  # a new epoch starts with an empty window anyway
            shed_before = successor.sample.shed_before + oldest.shed_before + 1
            self._samples[0] = replace(
                successor, sample=replace(successor.sample, shed_before=shed_before)
            )
