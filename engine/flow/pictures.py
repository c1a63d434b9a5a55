"""What the kernels of `pictures.cu` are launched with: `engine.preprocess`, quantise and stack on a
GPU, for many cameras' frames at once.

Plain arithmetic, as `tvl1_plan`. Sizes are (width, height). Buffers: `frames`, FRAMEs; `scaled`,
RGB at the model's scale; `current` and `previous`, grey; `flow`; of `stack` `parts`, and the CNN's
own `frames` by the name that is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.cuda.launch import Argument, Buffer, Launch
from engine.flow.quantise import STEPS
from engine.manifest import Manifest

SOURCE = Path(__file__).with_name("pictures.cu")

# As in pictures.cu. A frame of zeros is nobody's.
FRAME = np.dtype(
    [
        *((name, np.uint64) for name in ("picture", "outside", "rgb", "grey", "pair")),
        *((name, np.int32) for name in ("width", "height")),
    ],
    align=True,
)
NO_MOTION, IN_PLACE = 0, 1  # in place of a part's address

_BLOCK = (32, 8)
_THREADS = 256


@dataclass(frozen=True)
class Pictures:
    """size: of the model's scale. side (S): of its crop. downsampling (p): of flow's pictures.
    hidden: what the pixels outside of a camera's region become.
    """

    size: tuple[int, int]
    side: int
    downsampling: int
    bound_px: float
    hidden: int

    @classmethod
    def of(cls, manifest: Manifest, bound_px: float, hidden: int) -> Pictures:
        """Of a bundle's sizes."""
        return cls(
            manifest.resize, manifest.input_size, manifest.flow_downsampling, bound_px, hidden
        )

    @property
    def flow_size(self) -> tuple[int, int]:
        """Of the grey pictures that flow is estimated on."""
        return self.size[0] // self.downsampling, self.size[1] // self.downsampling

    @property
    def scaled_bytes(self) -> int:
        """Of a frame at the model's scale."""
        return 3 * self.size[0] * self.size[1]

    @property
    def grey_bytes(self) -> int:
        """Of a grey picture."""
        return self.flow_size[0] * self.flow_size[1]

    @property
    def rgb_bytes(self) -> int:
        """Of a frame's crop."""
        return 3 * self.side**2

    @property
    def pair_bytes(self) -> int:
        """Of a quantised pair's crop."""
        return 2 * (self.side // self.downsampling) ** 2

    def shrinks(self, size: tuple[int, int]) -> bool:
        """Whether `resize` takes pictures of a size. Where a side grows OpenCV interpolates in
        another way, and the CPU does that.
        """
        return size[0] >= self.size[0] and size[1] >= self.size[1]

    def before_flow(self, batch: int) -> tuple[Launch, ...]:
        """From frames to `previous`, `current` and the RGB crops.

        Resized within 1 of 255 of `engine.preprocess.resize`: where a weighted mean of bytes lies
        near the middle between two, it depends on the order of the sum which of them it becomes.
        All else is the CPU's bytes.
        """
        (width, height), area = self.size, self.grey_bytes
        frames, scaled, current = Buffer("frames"), Buffer("scaled"), Buffer("current")
        resized = _sizes(*self.size, self.hidden)
        reduced = _sizes(*self.flow_size, self.downsampling)
        cut = _sizes(3 * width, height, 3 * self.side, self.side)
        return (
            _per_pixel("resize", batch, self.size, (frames, scaled, *resized)),
            _per_pixel("grey", batch, self.flow_size, (scaled, current, *reduced)),
            Launch(
                "exchange",
                (-(-area // _THREADS), 1, batch),
                (_THREADS, 1, 1),
                (frames, current, Buffer("previous"), np.int32(area)),
            ),
            _per_pixel("crop", batch, (3 * self.side, self.side), (frames, scaled, *cut)),
        )

    def after_flow(self, batch: int) -> Launch:
        """From `flow` to the pairs' crops: `engine.flow.quantise.quantise`, the same bytes."""
        side = self.side // self.downsampling
        bound, steps = np.float32(self.bound_px), np.float32(STEPS / self.bound_px)
        sizes = _sizes(*self.flow_size, side)
        arguments: tuple[Argument, ...] = (Buffer("frames"), Buffer("flow"), *sizes, bound, steps)
        return _per_pixel("quantise", batch, (side, side), arguments)


def stack(rows: int, depth: int, part_bytes: int, out: str) -> Launch:
    """`engine.flow.stack.stack` of the parts of so many rows, the oldest first."""
    grid = (-(-part_bytes // _THREADS), depth, rows)
    arguments = (Buffer("parts"), Buffer(out), np.int32(part_bytes))
    return Launch("stack", grid, (_THREADS, 1, 1), arguments)


def _per_pixel(
    kernel: str, pictures: int, size: tuple[int, int], arguments: tuple[Argument, ...]
) -> Launch:
    across, down = _BLOCK
    grid = (-(-size[0] // across), -(-size[1] // down), pictures)
    return Launch(kernel, grid, (across, down, 1), arguments)


def _sizes(*sizes: int) -> tuple[np.int32, ...]:
    return tuple(np.int32(size) for size in sizes)
