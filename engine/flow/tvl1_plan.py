"""What the TV-L1 kernels of `tvl1.cu` are launched with: levels, buffers and launches of a batch.

Plain arithmetic, fixed by the settings, the pictures' size and the number of pairs: the same with
and without a GPU, and fit for a CUDA graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine.cuda.launch import Argument, Buffer, Launch
from engine.errors import FlowMismatch
from engine.flow.tvl1_settings import TvL1Settings

STORAGES = ("fp32", "fp16")  # of the dual variables between launches; arithmetic is fp32
SMALLEST_PX = 16  # OpenCV's: no level of the pyramid is lower or narrower

# As in tvl1.cu: pixels a thread holds, and bytes of shared memory it needs for their edges.
_COLUMNS, _ROWS = 4, 2
_EDGE_BYTES = 2 * (_COLUMNS + _ROWS) * 8

_PIXEL_BLOCK = (32, 8)
# 128 threads hold a region of 32x32 pixels, which overlaps its neighbours by two for each
# iteration: with 5 at once each pixel is computed 2.1 times. With 64x64 it would be 1.4 times, but
# smaller regions fill a GPU better: on an H200 they take half the time of a single pair, and 0.86
# of it in a batch of 64.
REGION_BLOCK = (8, 16)
FUSED_ITERATIONS = 5


@dataclass(frozen=True)
class TvL1Plan:
    """pairs: of pictures [height,width] at once.

    storage: of the dual variables between launches, fp32 or fp16. region_block: threads across and
    down that share a region of the picture; fused_iterations: how many they run on it at once.

    Raises FlowMismatch for settings that the kernels don't have, and for pictures too small.
    """

    settings: TvL1Settings
    height: int
    width: int
    pairs: int
    storage: str = "fp32"
    region_block: tuple[int, int] = REGION_BLOCK
    fused_iterations: int = FUSED_ITERATIONS

    def __post_init__(self) -> None:
        refuse_what_kernels_lack(self.settings)
        if min(self.height, self.width) < SMALLEST_PX:
            raise FlowMismatch(
                f"pictures of {self.width}x{self.height} are too small for flow tvl1, which needs "
                f"{SMALLEST_PX}x{SMALLEST_PX} pixels"
            )

    @cached_property
    def levels(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of each level of the pyramid, the finest first."""
        sizes = [(self.height, self.width)]
        while len(sizes) < self.settings.scales:
            smaller = tuple(round(side * self.settings.scale_step) for side in sizes[-1])
            if min(smaller) < SMALLEST_PX:
                break
            sizes.append((smaller[0], smaller[1]))
        return tuple(sizes)

    @property
    def buffers(self) -> dict[str, int]:
        """Bytes of each buffer by its name.

        In: previous, current, uint8 [pairs,height,width]. Out: flow, float32
        [pairs,2,height,width] in px. The rest is the kernels' own.
        """
        pixels = self.pairs * self.height * self.width
        dual_bytes = {"fp32": 16, "fp16": 8}[self.storage]
        return {
            "previous": pixels,
            "current": pixels,
            "flow": 8 * pixels,
            **{
                f"pictures{level}": 2 * 4 * self.pairs * height * width
                for level, (height, width) in enumerate(self.levels)
            },
            "slopes": 16 * pixels,
            "data": 16 * pixels,
            "u0": 8 * pixels,
            "u1": 8 * pixels,
            "p0": dual_bytes * pixels,
            "p1": dual_bytes * pixels,
        }

    @cached_property
    def launches(self) -> tuple[Launch, ...]:
        """From `previous` and `current` to `flow`, in their order."""
        return tuple(self._launches())

    def _launches(self) -> Iterator[Launch]:
        yield self._widen()
        for level in range(1, len(self.levels)):
            yield self._shrink(level)
        u: Buffer | None = None  # zero
        for level in reversed(range(len(self.levels))):
            if u is not None:
                yield self._enlarge(level, u, finer := _other(u))
                u = finer
            yield self._differentiate(level)
            p: Buffer | None = None
            for _ in range(self.settings.warps):
                yield self._linearise(level, u)
                for iterations in self._chunks():
                    u_in, p_in = u, p
                    u, p = _other(u, "u0"), _other(p, "p0")
                    yield self._iterate(level, iterations, (u_in, p_in), (u, p))
        assert u is not None  # there is a level, with a warp and an iteration
        yield self._separate(u)

    def _chunks(self) -> list[int]:
        """A warp's iterations, as evenly as can be in launches of at most `fused_iterations`."""
        total = self.settings.inner_iterations * self.settings.outer_iterations
        launches = -(-total // self.fused_iterations)
        return [total * (n + 1) // launches - total * n // launches for n in range(launches)]

    def _widen(self) -> Launch:
        arguments = (Buffer("previous"), Buffer("current"), Buffer("pictures0"))
        return self._per_pixel("widen", 0, (*arguments, *self._size(0), np.int32(self.pairs)), 2)

    def _shrink(self, level: int) -> Launch:
        finer, coarser = Buffer(f"pictures{level - 1}"), Buffer(f"pictures{level}")
        scale = np.float32(1 / self.settings.scale_step)
        arguments = (finer, *self._size(level - 1), coarser, *self._size(level), scale)
        return self._per_pixel("shrink", level, arguments, 2)

    def _enlarge(self, level: int, coarser: Buffer, finer: Buffer) -> Launch:
        gain = np.float32(1 / self.settings.scale_step)
        arguments = (coarser, *self._size(level + 1), finer, *self._size(level), gain)
        return self._per_pixel("enlarge", level, arguments)

    def _differentiate(self, level: int) -> Launch:
        height, width = self.levels[level]
        current = Buffer(f"pictures{level}", offset_bytes=4 * self.pairs * height * width)
        return self._per_pixel(
            "differentiate", level, (current, Buffer("slopes"), *self._size(level))
        )

    def _linearise(self, level: int, u: Buffer | None) -> Launch:
        pictures = Buffer(f"pictures{level}")
        arguments = (pictures, Buffer("slopes"), u, Buffer("data"), *self._size(level))
        return self._per_pixel("linearise", level, arguments)

    def _separate(self, u: Buffer) -> Launch:
        return self._per_pixel("separate", 0, (u, Buffer("flow"), *self._size(0)))

    def _iterate(
        self,
        level: int,
        iterations: int,
        before: tuple[Buffer | None, Buffer | None],
        after: tuple[Buffer, Buffer],
    ) -> Launch:
        height, width = self.levels[level]
        across, down = self.region_block
        settings = self.settings
        return Launch(
            kernel=f"iterate_{self.storage}",
            grid=(
                -(-width // (across * _COLUMNS - 2 * iterations)),
                -(-height // (down * _ROWS - 2 * iterations)),
                self.pairs,
            ),
            block=(across, down, 1),
            arguments=(
                Buffer("data"),
                *before,
                *after,
                *self._size(level),
                np.int32(iterations),
                np.float32(settings.theta),
                np.float32(settings.lambda_ * settings.theta),
                np.float32(settings.tau / settings.theta),
            ),
            shared_bytes=across * down * _EDGE_BYTES,
        )

    def _per_pixel(
        self, kernel: str, level: int, arguments: tuple[Argument, ...], pictures_a_pair: int = 1
    ) -> Launch:
        height, width = self.levels[level]
        across, down = _PIXEL_BLOCK
        grid = (-(-width // across), -(-height // down), pictures_a_pair * self.pairs)
        return Launch(kernel, grid, (across, down, 1), arguments)

    def _size(self, level: int) -> tuple[np.int32, np.int32]:
        height, width = self.levels[level]
        return np.int32(width), np.int32(height)


def refuse_what_kernels_lack(settings: TvL1Settings) -> None:
    """Raises FlowMismatch where the kernels' flow would be another than OpenCV's."""
    if settings.epsilon != 0 or settings.median_filtering != 1:
        raise FlowMismatch(
            "flow tvl1 on a GPU takes a fixed number of iterations and no median filter: its "
            "parameters must say epsilon = 0 and median_filtering = 1 (OpenCV's defaults are 0.01 "
            "and 5); prepare and train with these, or run the flow on the CPU"
        )


def _other(buffer: Buffer | None, first: str = "") -> Buffer:
    """The one of a pair of buffers to write while `buffer` is read; `first` if that is none."""
    if buffer is None:
        return Buffer(first)
    return Buffer(buffer.name[0] + ("1" if buffer.name[1] == "0" else "0"))
