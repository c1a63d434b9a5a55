"""Frames of many cameras through the kernels before the CNN, each batch replayed as one launch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from engine.arrays import U8, AnyArray
from engine.cuda.gpu import Device, Memory, Start, Stream
from engine.cuda.work import Work, tell_of_refusals
from engine.flow.eye import Eye, Given
from engine.flow.pictures import FRAME
from engine.runners.cover import Cover


class FrameBatches:
    """What goes up on one stream, what computes on another.

    Args:
        starts: a batch's kernels, given its size and where its FRAMEs lie.
        sizes: of the batches.
        compute, copies: the two streams.

    captured: the sizes that are one launch, rising.

    Everything is allocated, bound and run once here. The GPU must be current for all of it.

    Raises DeviceMissing, DeviceFull or DeviceFailed.
    """

    def __init__(
        self,
        device: Device,
        name: str,
        starts: Callable[[int, Memory], Sequence[Start]],
        sizes: Sequence[int],
        *,
        compute: Stream,
        copies: Stream,
    ) -> None:
        self._device, self._compute, self._copies = device, compute, copies
        table: U8 = device.pinned((max(sizes) * FRAME.itemsize,), np.uint8)
        self._table: AnyArray = table.view(FRAME)
        self._batches: dict[int, _Batch] = {}
        try:
            for size in sizes:
                self._batches[size] = _Batch(device, size, starts, compute)
            works = {size: batch.work for size, batch in self._batches.items()}
            tell_of_refusals(name, works)
        except BaseException:
            self.close()
            raise
        self.captured = tuple(sorted(size for size, work in works.items() if not work.refusal))
        self._cover = Cover({size: float(work.took_ns) for size, work in works.items()})

    def enqueue(self, frames: Sequence[tuple[Eye, Given]]) -> None:
        """One frame each of some cameras. Returns when they have gone up."""
        device, start = self._device, 0
        for size in self._cover.of(len(frames)):
            batch, part = self._batches[size], frames[start : start + size]
            # Whatever was made of what the batch and the slots held before must be there.
            device.follow(self._copies, batch.done)
            self._table[:] = 0
            for b, (eye, given) in enumerate(part):
                self._table[b] = _frame(eye, given)
                device.follow(self._copies, given.slot.read)
                device.upload(given.slot.device, given.picture, self._copies)
            device.upload(batch.frames, self._table[:size].view(np.uint8), self._copies)
            device.record(batch.filled, self._copies)
            device.follow(self._compute, batch.filled)
            batch.work.start(self._compute)
            device.record(batch.done, self._compute)
            for eye, given in part:
                device.record(given.slot.read, self._compute)
                eye.places.taken_in = given.number + 1
            device.wait(self._copies)  # the table and the slots are written again
            for eye, given in part:
                eye.read(given.slot)
            start += size

    def close(self) -> None:
        """Give the memory back. The streams must be done."""
        for batch in self._batches.values():
            batch.close()
        self._batches.clear()


class _Batch:
    """filled, done: its frames are there, and what is made of them."""

    def __init__(
        self,
        device: Device,
        size: int,
        starts: Callable[[int, Memory], Sequence[Start]],
        stream: Stream,
    ) -> None:
        self.filled, self.done = device.event(), device.event()
        self.frames = device.allocate(size * FRAME.itemsize)
        try:
            device.upload(self.frames, np.zeros(size, FRAME).view(np.uint8), stream)
            self.work = Work(device, starts(size, self.frames), stream)
        except BaseException:
            self.frames.free()
            raise

    def close(self) -> None:
        self.work.close()
        self.frames.free()


def _frame(eye: Eye, given: Given) -> tuple[int, ...]:
    """As FRAME."""
    places, outside = eye.places, 0 if eye.outside is None else int(eye.outside)
    made = (places.rgb(given.number), places.grey, places.pair(given.number))
    return (int(given.slot.device), outside, *made, *given.size)
