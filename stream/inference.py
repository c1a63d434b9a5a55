"""The inference thread: owns the recogniser and whatever accelerator is below it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from engine.recogniser import Recogniser, Recognition
from stream.batching import Batcher
from stream.samples import StreamSample

POLL_S = 0.1  # how soon a stop is noticed


@dataclass(frozen=True, slots=True)
class Recognised:
    """A sample and what was recognised, with `time.monotonic_ns()` marks around the step."""

    sample: StreamSample
    recognition: Recognition
    taken_ns: int
    done_ns: int


class InferenceThread(threading.Thread):
    """Steps batch after batch, until it is told to stop or everything is drained.

    The recogniser is opened in this thread, since an accelerator's context belongs to the thread
    that made it; `opened` is set once it is ready, or has failed.

    Args:
        open_recogniser: compiles the graphs; may take long, and may raise.
        batcher: where samples come from.
        deliver: hands a result over; may wait, and returns False when nobody wants it any more.

    Attributes:
        opened: set when `open_recogniser` has returned or raised.
        failure: what the thread died of, if it died.
        last_done_ns: monotonic time of the last finished step, None before the first.
    """

    def __init__(
        self,
        *,
        open_recogniser: Callable[[], Recogniser],
        batcher: Batcher,
        deliver: Callable[[Recognised], bool],
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        super().__init__(name="inference", daemon=True)
        self.opened = threading.Event()
        self.failure: Exception | None = None
        self.last_done_ns: int | None = None
        self._open_recogniser = open_recogniser
        self._batcher = batcher
        self._deliver = deliver
        self._clock_ns = clock_ns
        self._stop_asked = threading.Event()

    def stop(self) -> None:
        """Asks the thread to end after the step at hand."""
        self._stop_asked.set()

    def run(self) -> None:
        """The thread's life."""
        try:
            recogniser = self._open_recogniser()
            self.opened.set()
            largest = recogniser.batches[-1]
            while not self._stop_asked.is_set() and not self._batcher.drained:
                batch = self._batcher.next(POLL_S, largest, recogniser.take_in)
                for camera in self._batcher.removed():
                    recogniser.forget(camera)
                if batch:
                    self._step(recogniser, batch)
        except Exception as error:  # noqa: BLE001  the main thread reports it and ends the process
            self.failure = error
        finally:
            self.opened.set()

    def _step(self, recogniser: Recogniser, batch: list[StreamSample]) -> None:
        taken_ns = self._clock_ns()
        recognitions = recogniser.step([item.sample for item in batch])
        done_ns = self.last_done_ns = self._clock_ns()
        for item, recognition in zip(batch, recognitions, strict=True):
            if not self._deliver(Recognised(item, recognition, taken_ns, done_ns)):
                return
