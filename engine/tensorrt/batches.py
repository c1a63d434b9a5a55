"""A graph's batches on the device: each with the kernels around it, replayed as one launch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from engine.arrays import U8, AnyArray
from engine.cuda.gpu import Device, Kernels, Memory, Start, Stream
from engine.cuda.graph import Replay
from engine.cuda.launch import Launch
from engine.errors import DeviceFailed, DeviceMissing
from engine.runners.tensorrt_runner import TensorRtRunner
from engine.tensorrt.profile import Profile
from engine.tensorrt.rows import ROW

log = logging.getLogger(__name__)


class Batches:
    """Puts any number of rows through a graph: what goes up on one stream, what computes on
    another, each batch of it as a CUDA graph, or launch by launch where the driver refuses that.

    Args:
        launches: what a batch of so many rows begins and ends with. Their buffers are `rows`,
            `result`, and the graph's own inputs and outputs.
        result: where results go.
        compute, copies: the two streams.

    Everything is allocated, bound and run once here. The GPU must be current for all of it.

    Raises DeviceFull or DeviceFailed.
    """

    def __init__(
        self,
        device: Device,
        runner: TensorRtRunner,
        kernels: Kernels,
        launches: Callable[[int], tuple[Launch | None, Launch]],
        *,
        result: Memory,
        compute: Stream,
        copies: Stream,
    ) -> None:
        self._device, self._cover = device, runner.cover
        self._compute, self._copies = compute, copies
        self._batches: dict[int, _Batch] = {}
        try:
            for size, profile in runner.profiles.items():
                batch = self._batches[size] = _Batch(device, profile)
                batch.prepare(kernels, launches(size), result, compute)
            self._tell_of_refusals(runner.name)
        except BaseException:
            self.close()
            raise

    @property
    def captured(self) -> tuple[int, ...]:
        """The batch sizes that are one launch, rising."""
        return tuple(sorted(n for n, batch in self._batches.items() if not batch.refusal))

    def enqueue(self, rows: AnyArray, count: int, frames: U8 | None = None) -> None:
        """The first `count` of ROWs, and of pictures where the graph takes them.

        Both are pinned, and must stay as they are until the streams are done. rows: zeros follow
        those that count, as many as the largest batch has rows.
        """
        device, start = self._device, 0
        for size in self._cover.of(count):
            batch = self._batches[size]
            # What the batch held before must have been computed.
            device.follow(self._copies, batch.done)
            if frames is not None:
                last = min(start + size, count)
                device.upload(batch.frames, frames[start:last], self._copies)
            device.upload(batch.rows, rows[start : start + size].view(np.uint8), self._copies)
            device.record(batch.filled, self._copies)
            device.follow(self._compute, batch.filled)
            batch.start(self._compute)
            device.record(batch.done, self._compute)
            start += size

    def close(self) -> None:
        """Give back what this has taken; the graph's own memory is its runner's. The streams must
        be done.
        """
        for batch in self._batches.values():
            batch.close()
        self._batches.clear()

    def _tell_of_refusals(self, name: str) -> None:
        refused = {n: each.refusal for n, each in self._batches.items() if each.refusal}
        if refused:
            log.warning(
                "%s starts kernel by kernel in batches of %s, not as a CUDA graph: %s",
                name,
                " and ".join(map(str, sorted(refused))),
                next(iter(refused.values())),
            )


class _Batch:
    """One profile. filled, done: its input is there, and its output."""

    def __init__(self, device: Device, profile: Profile) -> None:
        self._device, self._profile = device, profile
        self.filled, self.done = device.event(), device.event()
        self.rows = device.allocate(profile.batch * ROW.itemsize)
        self.start: Start = profile.enqueue
        self.refusal: DeviceFailed | DeviceMissing | None = None
        self._replay: Replay | None = None

    @property
    def frames(self) -> Memory:
        return self._profile.memory["frames"]

    def prepare(
        self,
        kernels: Kernels,
        launches: tuple[Launch | None, Launch],
        result: Memory,
        stream: Stream,
    ) -> None:
        """Run it once with nobody's rows, so that nothing is loaded later; then capture it."""
        device, profile = self._device, self._profile
        memory = {**profile.memory, "rows": self.rows, "result": result}
        addresses = {name: int(piece) for name, piece in memory.items()}
        before, after = (each and kernels.bind(each, addresses) for each in launches)
        work = partial(_all, [each for each in (before, profile.enqueue, after) if each])
        device.upload(self.rows, np.zeros(profile.batch, ROW).view(np.uint8), stream)
        work(stream)
        device.wait(stream)
        try:
            self._replay = device.capture(work, stream)
            self._replay(stream)
            device.wait(stream)
            self.start = self._replay
        except (DeviceFailed, DeviceMissing) as refusal:
            self.refusal, self.start = refusal, work

    def close(self) -> None:
        if self._replay is not None:
            self._replay.close()
            self._replay = None
        self.rows.free()


def _all(starts: Sequence[Start], stream: Stream) -> None:
    for start in starts:
        start(stream)
