"""What the kernels of `pictures.cu` are launched with: `engine.preprocess`, quantise and stack on a
GPU, for many pictures at once.

Plain arithmetic, as `tvl1_plan`. Buffers are `in` and `out`, of `stack` `pairs` and `out`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.cuda.launch import Argument, Buffer, Launch
from engine.flow.quantise import STEPS
from engine.flow.stack import STACK

SOURCE = Path(__file__).with_name("pictures.cu")

_BLOCK = (32, 8)
_THREADS = 256
_IN, _OUT = Buffer("in"), Buffer("out")


def resize(pictures: int, size: tuple[int, int], to: tuple[int, int]) -> Launch:
    """RGB of `size` -> of `to`, both (width, height): `engine.preprocess.resize` within 1 of 255.

    Where a weighted mean of bytes lies near the middle between two, it depends on the order of the
    sum which of them it becomes. Raises ValueError where a side grows: OpenCV then interpolates
    in another way, and the CPU does that.
    """
    if to[0] > size[0] or to[1] > size[1]:
        raise ValueError(f"{size[0]}x{size[1]} px can't grow to {to[0]}x{to[1]} on a GPU")
    return _per_pixel("resize", pictures, to, (_IN, *_sizes(*size), _OUT, *_sizes(*to)))


def grey(pictures: int, size: tuple[int, int], downsampling: int) -> Launch:
    """RGB of `size` (width, height) -> luma, 1/p of it: `engine.preprocess.grey`, the same bytes.

    Raises ValueError where p doesn't divide both.
    """
    width, height = size
    if width % downsampling or height % downsampling:
        raise ValueError(f"{width}x{height} px can't be divided by {downsampling}")
    to = (width // downsampling, height // downsampling)
    return _per_pixel("grey", pictures, to, (_IN, _OUT, *_sizes(*to, downsampling)))


def quantise(pictures: int, size: tuple[int, int], bound_px: float) -> Launch:
    """Flow [2,H,W] of `size` (width, height): `engine.flow.quantise.quantise`, the same bytes."""
    floats = 2 * size[0] * size[1]
    scale = (np.float32(bound_px), np.float32(STEPS / bound_px))
    grid = (-(-floats // _THREADS), 1, pictures)
    arguments: tuple[Argument, ...] = (_IN, _OUT, np.int32(floats), *scale)
    return Launch("quantise", grid, (_THREADS, 1, 1), arguments)


def crop(pictures: int, size: tuple[int, int], side: int, channels: int) -> Launch:
    """`engine.preprocess.centre_crop` of pictures of `size` (width, height) with their channels
    pixel by pixel; planes are pictures of one channel.

    Raises ValueError where one is smaller than the crop.
    """
    width, height = size
    if side > min(size):
        raise ValueError(f"can't cut {side}x{side} px out of {width}x{height} px")
    to = (side * channels, side)
    left, top = (width - side) // 2 * channels, (height - side) // 2
    sizes = _sizes(width * channels, height)
    return _per_pixel("crop", pictures, to, (_IN, *sizes, _OUT, *_sizes(*to, left, top)))


def stack(rows: int, area: int) -> Launch:
    """`engine.flow.stack.stack` of addresses [rows,10] of pairs [2,area], the oldest first; 0 is
    zero flow.
    """
    grid = (-(-2 * area // _THREADS), STACK, rows)
    return Launch("stack", grid, (_THREADS, 1, 1), (Buffer("pairs"), _OUT, np.int32(area)))


def _per_pixel(
    kernel: str, pictures: int, size: tuple[int, int], arguments: tuple[Argument, ...]
) -> Launch:
    across, down = _BLOCK
    grid = (-(-size[0] // across), -(-size[1] // down), pictures)
    return Launch(kernel, grid, (across, down, 1), arguments)


def _sizes(*sizes: int) -> tuple[np.int32, ...]:
    return tuple(np.int32(size) for size in sizes)
