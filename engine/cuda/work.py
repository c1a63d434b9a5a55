"""What a stream is given again and again, as one launch where the driver can capture it."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial

from engine.cuda.gpu import Device, Start, Stream
from engine.cuda.graph import Replay
from engine.errors import DeviceFailed, DeviceMissing

log = logging.getLogger(__name__)

_TIMED_RUNS = 3


class Work:
    """Starts that follow each other, as a CUDA graph, else one by one.

    They run once before that, so that nothing is loaded later. The GPU must be current for all of
    it, and the stream's own.

    start: puts it on a stream. refusal: why it is no graph, where it is none. took_ns: the host's
    time from a start to its end.
    """

    def __init__(self, device: Device, starts: Sequence[Start], stream: Stream) -> None:
        self._replay: Replay | None = None
        self.refusal: DeviceFailed | DeviceMissing | None = None
        work = partial(_all, starts)
        work(stream)
        device.wait(stream)
        self.start: Start = work
        try:
            self.start = self._replay = device.capture(work, stream)
        except (DeviceFailed, DeviceMissing) as refusal:
            self.refusal = refusal
        self.took_ns = min(self._timed_ns(device, stream) for _ in range(_TIMED_RUNS))

    def _timed_ns(self, device: Device, stream: Stream) -> int:
        began_ns = time.perf_counter_ns()
        self.start(stream)
        device.wait(stream)
        return time.perf_counter_ns() - began_ns

    def close(self) -> None:
        """Give the graph's memory back. The stream must be done."""
        if self._replay is not None:
            self._replay.close()
            self._replay = None


def tell_of_refusals(name: str, by_batch: Mapping[int, Work]) -> None:
    """Warn where some batches are started one by one."""
    refused = {batch: work.refusal for batch, work in by_batch.items() if work.refusal}
    if refused:
        log.warning(
            "%s starts kernel by kernel in batches of %s, not as a CUDA graph: %s",
            name,
            " and ".join(map(str, sorted(refused))),
            next(iter(refused.values())),
        )


def _all(starts: Sequence[Start], stream: Stream) -> None:
    for start in starts:
        start(stream)
