"""One stream on the GPU: its CNN, its head, and the host's end of what they take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.arrays import F32, U8, AnyArray
from engine.cuda.gpu import Device, Kernels, Memory, Stream
from engine.flow.pictures import IN_PLACE, stack
from engine.lanes import Window
from engine.runners.tensorrt_runner import TensorRtRunner
from engine.sight import Picture
from engine.tensorrt.batches import Batches
from engine.tensorrt.rows import ROW, Rows


class ResidentWindow(Window):
    """A window whose state is on the GPU. begins: whether that is still to be cleared."""

    def __init__(self, rows: Rows, segments: int, state: Memory) -> None:
        super().__init__(segments=segments, lanes=rows.lanes, classes=rows.classes)
        self.state, self.begins = state, True


class ResidentStream:
    """fill, then look and advance, then wait for the streams, then take_over.

    largest: how many rows may be filled at once. map_size: height and width of the CNN's attention.
    depth: of how many parts a picture is made. result: where rows' results go, each to its place.

    row_kernels, picture_kernels: of `rows.cu` and `pictures.cu`.

    The GPU must be current for all of it. Raises DeviceFull or DeviceFailed.
    """

    def __init__(
        self,
        device: Device,
        row_kernels: Kernels,
        picture_kernels: Kernels,
        *,
        cnn: TensorRtRunner,
        head: TensorRtRunner,
        rows: Rows,
        largest: int,
        map_size: tuple[int, int],
        depth: int,
        result: Memory,
        compute: Stream,
        copies: Stream,
    ) -> None:
        self._rows, self._map_size, self._count = rows, map_size, 0
        area = map_size[0] * map_size[1]
        shape = next(iter(cnn.profiles.values())).shape("frames")[1:]
        self._frames: U8 = device.pinned((largest, *shape), np.uint8)
        # Twice as many, since a batch may have rows to spare.
        table: U8 = device.pinned((2 * largest * ROW.itemsize,), np.uint8)
        self._table: AnyArray = table.view(ROW)
        self._parts: AnyArray = device.pinned((2 * largest, depth), np.uint64)
        part_bytes = int(np.prod(shape)) // depth

        streams = {"result": result, "compute": compute, "copies": copies}
        self.cnn = Batches(
            device,
            cnn,
            lambda batch: (
                (picture_kernels, stack(batch, depth, part_bytes, "frames")),
                (row_kernels, rows.keep(batch, area)),
            ),
            depth=depth,
            **streams,
        )
        try:
            self.head = Batches(
                device,
                head,
                lambda batch: (
                    (row_kernels, rows.gather(batch)),
                    (row_kernels, rows.scatter(batch)),
                ),
                depth=0,
                **streams,
            )
        except BaseException:
            self.cnn.close()
            raise

    def fill(
        self, windows: Sequence[ResidentWindow], place: int, frames: Sequence[Picture] | None = None
    ) -> None:
        """Whose rows come next, with their pictures where those will be looked at.

        place: of the first one's result.
        """
        count = self._count = len(windows)
        self._table[:] = 0
        for b, window in enumerate(windows):
            self._table[b] = (int(window.state), place + b, window.lane, window.begins)
        if frames is not None:
            self._parts[:] = 0
            for b, frame in enumerate(frames):
                if isinstance(frame, np.ndarray):
                    self._frames[b], self._parts[b] = frame, IN_PLACE
                else:
                    self._parts[b] = frame.addresses()
        assert count <= len(self._frames)

    def look(self) -> None:
        """The CNN: each row's picture becomes its newest feature."""
        self.cnn.enqueue(self._table, self._count, self._frames, self._parts)

    def advance(self) -> None:
        """The head: each row's newest feature enters its lanes."""
        self.head.enqueue(self._table, self._count)

    def take_over(self, windows: Sequence[ResidentWindow], results: F32) -> F32:
        """What has come back: scores and logits into their windows; returns attention [B,h,w]."""
        classes, behind = self._rows.classes, self._rows.attention_from
        for window, row in zip(windows, results, strict=True):
            partial = row[classes : 2 * classes].copy()  # the next results come to the same place
            window.enter(row[:classes], partial, row[2 * classes : behind])
            window.begins = False
        h, w = self._map_size
        return results[:, behind : behind + h * w].reshape(-1, h, w).copy()

    def close(self) -> None:
        """Give the memory back. The streams must be done."""
        self.head.close()
        self.cnn.close()
