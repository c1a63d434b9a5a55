"""All cameras' sights on an NVIDIA GPU: from frames to what the CNNs take, by `pictures.cu` and
TV-L1, many cameras at once.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.arrays import U8
from engine.cuda.gpu import Device, Kernels, Memory, Start, Stream
from engine.cuda.launch import Launch
from engine.flow import pictures as kernels_of
from engine.flow import tvl1_cuda
from engine.flow.eye import Eye, Slot
from engine.flow.frame_batches import FrameBatches
from engine.flow.pictures import Pictures
from engine.flow.places import Crop, Places, Stack
from engine.flow.stack import STACK
from engine.flow.tvl1_plan import TvL1Plan
from engine.flow.tvl1_settings import TvL1Settings

SLOTS = 2  # of a camera: one is written while the other goes up

# A camera alone, and what fills larger and larger GPUs: beyond 64 pairs an H200 gains little.
_BATCHES = (1, 4, 16, 64)


class CudaEyes:
    """See `engine.sight.Eyes`.

    A camera takes its memory when it comes: a ring of `lag` frames and those that a stack and the
    slots need, and the slots. It is used again by whoever comes after it. Slots are as large as the
    next power of two, so that however often cameras change their size, memory doesn't grow.
    Nothing else is allocated after the start.

    compute, copies: streams of whoever takes what is made here, and after it on the first.

    Raises FlowMismatch, DeviceMissing, DeviceFull or DeviceFailed. The GPU must be current here.
    """

    def __init__(
        self,
        device: Device,
        pictures: Pictures,
        settings: TvL1Settings,
        *,
        compute: Stream,
        copies: Stream,
        lag: int,
    ) -> None:
        self._device, self.pictures, self._settings = device, pictures, settings
        self._compute, self._copies = compute, copies
        self._frames = lag + STACK + SLOTS
        self._lock = Lock()  # of what follows: cameras come in threads of their own
        self._eyes: list[Eye] = []
        self._free_slots: dict[int, list[Slot]] = {}
        self._free_places: list[Memory] = []
        self._free_outside: list[Memory] = []
        self._taken = ExitStack()  # gives everything back
        try:
            self._prepare()
        except BaseException:
            self._taken.close()
            raise

    @property
    def captured(self) -> dict[str, tuple[int, ...]]:
        """With flow and without: the batch sizes that are one launch of a CUDA graph."""
        return {"flow": self._with_flow.captured, "rgb": self._alone.captured}

    def open(
        self,
        size: tuple[int, int],
        outside: NDArray[Any] | None,
        handed_over: Callable[[], object],
    ) -> Eye:
        """See Eyes."""
        resize_to = None if self.pictures.shrinks(size) else self.pictures.size
        width, height = resize_to or size
        with self._device.current(), self._lock:
            places = self._places()
            hidden = None if outside is None else self._uploaded(outside)
            try:
                slots = self._slots(3 * width * height)
            except BaseException:
                if hidden is not None:
                    self._free_outside.append(hidden)
                raise
            eye = Eye(places, slots, outside=hidden, resize_to=resize_to, handed_over=handed_over)
            self._eyes.append(eye)
        return eye

    def take_in(self) -> None:
        """See Eyes."""
        with self._lock:
            eyes = list(self._eyes)
        if not eyes:
            return
        given = [(eye, eye.given()) for eye in eyes]
        with self._device.current():
            for nth in range(SLOTS):
                frames = [(eye, its[nth]) for eye, its in given if len(its) > nth]
                for batches, with_pair in ((self._with_flow, True), (self._alone, False)):
                    batches.enqueue([each for each in frames if each[1].with_pair is with_pair])
        for eye in eyes:
            if slots := eye.left_behind():
                self._part_from(eye, slots)

    def read(self, picture: Crop | Stack) -> U8:
        """What lies in a row's parts [n,bytes], 128 for no motion; waits for it. For checks."""
        size_bytes = {Crop: self.pictures.rgb_bytes, Stack: self.pictures.pair_bytes}
        with self._device.current():
            addresses = picture.addresses()
            parts: U8 = np.full((len(addresses), size_bytes[type(picture)]), 128, np.uint8)
            for part, address in zip(parts, addresses, strict=True):
                if address != kernels_of.NO_MOTION:
                    self._device.download(part, address, self._compute)
            self._device.wait(self._compute)
        return parts

    def wait(self) -> None:
        """See Eyes."""
        with self._device.current():
            self._device.wait(self._compute)

    def close(self) -> None:
        """See Eyes."""
        with self._device.current():
            self._device.wait(self._compute)
            self._taken.close()

    def _prepare(self) -> None:
        device, largest = self._device, _BATCHES[-1]
        # All batches compute on one stream, one after the other: in the same memory.
        sizes = {**self._plan(largest).buffers, "scaled": largest * self.pictures.scaled_bytes}
        memory = {name: self._allocated(size) for name, size in sizes.items()}
        of_pictures = device.kernels(kernels_of.SOURCE)
        of_flow = device.kernels(tvl1_cuda.SOURCE)

        def before(size: int, frames: Memory) -> list[Start]:
            return _bound(of_pictures, self.pictures.before_flow(size), memory, frames)

        def whole(size: int, frames: Memory) -> list[Start]:
            flow = tvl1_cuda.bound(self._plan(size), of_flow, memory)
            after = _bound(of_pictures, [self.pictures.after_flow(size)], memory, frames)
            return [*before(size, frames), *flow, *after]

        def batches(name: str, starts: Callable[[int, Memory], list[Start]]) -> FrameBatches:
            streams = {"compute": self._compute, "copies": self._copies}
            made = FrameBatches(device, name, starts, _BATCHES, **streams)
            self._taken.callback(made.close)
            return made

        self._with_flow = batches("flow of the pictures", whole)
        self._alone = batches("pictures without flow", before)

    def _part_from(self, eye: Eye, slots: Sequence[Slot]) -> None:
        with self._lock:
            self._eyes.remove(eye)
            self._free_slots[len(slots[0].host)].extend(slots)
            if eye.outside is not None:
                self._free_outside.append(eye.outside)

    def _plan(self, pairs: int) -> TvL1Plan:
        width, height = self.pictures.flow_size
        return TvL1Plan(self._settings, height, width, pairs)

    def _places(self) -> Places:
        size_bytes = Places.size_bytes(self.pictures, self._frames)
        memory = self._free_places.pop() if self._free_places else self._allocated(size_bytes)
        places = Places(self.pictures, self._frames, memory)
        # Samples that wait refer to them still when the camera has gone.
        weakref.finalize(places, self._free_places.append, memory).atexit = False
        return places

    def _uploaded(self, outside: NDArray[Any]) -> Memory:
        memory = self._free_outside.pop() if self._free_outside else self._allocated(outside.size)
        # After whatever read what another camera had there.
        self._device.upload(memory, outside.astype(np.uint8), self._compute)
        self._device.wait(self._compute)
        return memory

    def _slots(self, size_bytes: int) -> list[Slot]:
        rounded = 1 << (size_bytes - 1).bit_length()
        free = self._free_slots.setdefault(rounded, [])
        while len(free) < SLOTS:
            pinned: U8 = self._device.pinned((rounded,), np.uint8)
            free.append(Slot(pinned, self._allocated(rounded), self._device.event()))
        return [free.pop() for _ in range(SLOTS)]

    def _allocated(self, size_bytes: int) -> Memory:
        memory = self._device.allocate(size_bytes)
        self._taken.callback(memory.free)
        return memory


def _bound(
    kernels: Kernels, launches: Sequence[Launch], memory: dict[str, Memory], frames: Memory
) -> list[Start]:
    addresses = {name: int(piece) for name, piece in {**memory, "frames": frames}.items()}
    return [kernels.bind(launch, addresses) for launch in launches]
