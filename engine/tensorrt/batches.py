"""A graph's batches on the device: each with the kernels around it, replayed as one launch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from engine.arrays import U8, AnyArray
from engine.cuda.gpu import Device, Kernels, Memory, Stream
from engine.cuda.launch import Launch
from engine.cuda.work import Work, tell_of_refusals
from engine.flow.pictures import IN_PLACE
from engine.runners.tensorrt_runner import TensorRtRunner
from engine.tensorrt.profile import Profile
from engine.tensorrt.rows import ROW

Around = tuple[tuple[Kernels, Launch], tuple[Kernels, Launch]]


class Batches:
    """Puts any number of rows through a graph: what goes up on one stream, what computes on
    another, each batch of it as a CUDA graph, or launch by launch where the driver refuses that.

    Args:
        launches: what a batch of so many rows begins and ends with. Their buffers are `rows`,
            `parts`, `result`, and the graph's own inputs and outputs.
        depth: of how many parts a row's picture is made; 0 where the graph takes none.
        result: where results go.
        compute, copies: the two streams.

    Everything is allocated, bound and run once here. The GPU must be current for all of it.

    Raises DeviceFull or DeviceFailed.
    """

    def __init__(
        self,
        device: Device,
        runner: TensorRtRunner,
        launches: Callable[[int], Around],
        *,
        depth: int,
        result: Memory,
        compute: Stream,
        copies: Stream,
    ) -> None:
        self._device, self._cover = device, runner.cover
        self._compute, self._copies = compute, copies
        self._batches: dict[int, _Batch] = {}
        try:
            for size, profile in runner.profiles.items():
                batch = self._batches[size] = _Batch(device, profile, depth)
                batch.prepare(launches(size), result, compute)
            self._works = {size: batch.work for size, batch in self._batches.items()}
            tell_of_refusals(runner.name, self._works)
        except BaseException:
            self.close()
            raise

    @property
    def captured(self) -> tuple[int, ...]:
        """The batch sizes that are one launch, rising."""
        return tuple(sorted(n for n, work in self._works.items() if not work.refusal))

    def enqueue(
        self, rows: AnyArray, count: int, frames: U8 | None = None, parts: AnyArray | None = None
    ) -> None:
        """The first `count` of ROWs, and of pictures where the graph takes them.

        All are pinned, and must stay as they are until the streams are done. rows, parts: zeros
        follow those that count, as many as the largest batch has rows. parts: addresses of each
        row's [.,depth]; where they are IN_PLACE the picture is among the frames.
        """
        device, start = self._device, 0
        for size in self._cover.of(count):
            batch = self._batches[size]
            # What the batch held before must have been computed.
            device.follow(self._copies, batch.done)
            if frames is not None and parts is not None:
                last = min(start + size, count)
                device.upload(batch.parts, parts[start : start + size].view(np.uint8), self._copies)
                for begin, end in _runs(parts[start:last, 0] == IN_PLACE):
                    device.upload(
                        int(batch.frames) + begin * frames[0].nbytes,
                        frames[start + begin : start + end],
                        self._copies,
                    )
            device.upload(batch.rows, rows[start : start + size].view(np.uint8), self._copies)
            device.record(batch.filled, self._copies)
            device.follow(self._compute, batch.filled)
            batch.work.start(self._compute)
            device.record(batch.done, self._compute)
            start += size

    def close(self) -> None:
        """Give back what this has taken; the graph's own memory is its runner's. The streams must
        be done.
        """
        for batch in self._batches.values():
            batch.close()
        self._batches.clear()


class _Batch:
    """One profile. filled, done: its input is there, and its output."""

    def __init__(self, device: Device, profile: Profile, depth: int) -> None:
        self._device, self._profile = device, profile
        self.filled, self.done = device.event(), device.event()
        self.rows = device.allocate(profile.batch * ROW.itemsize)
        # One byte for a graph that has no pictures: a driver gives nothing for none.
        self.parts = device.allocate(max(1, 8 * depth * profile.batch))
        self._parts_bytes = 8 * depth * profile.batch
        self._work: Work | None = None

    @property
    def work(self) -> Work:
        assert self._work is not None  # prepared
        return self._work

    @property
    def frames(self) -> Memory:
        return self._profile.memory["frames"]

    def prepare(self, around: Around, result: Memory, stream: Stream) -> None:
        """Run it once with nobody's rows, so that nothing is loaded later; then capture it."""
        device, profile = self._device, self._profile
        memory = {**profile.memory, "rows": self.rows, "parts": self.parts, "result": result}
        addresses = {name: int(piece) for name, piece in memory.items()}
        before, after = (kernels.bind(launch, addresses) for kernels, launch in around)
        device.upload(self.rows, np.zeros(profile.batch, ROW).view(np.uint8), stream)
        if self._parts_bytes:
            device.upload(self.parts, np.zeros(self._parts_bytes, np.uint8), stream)
        self._work = Work(device, (before, profile.enqueue, after), stream)

    def close(self) -> None:
        if self._work is not None:
            self._work.close()
            self._work = None
        self.rows.free()
        self.parts.free()


def _runs(chosen: AnyArray) -> Iterator[tuple[int, int]]:
    """Where stretches of chosen rows begin and end."""
    edges = np.flatnonzero(np.diff(chosen, prepend=False, append=False))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
