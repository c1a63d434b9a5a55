"""Random crops, flips and colours, on bytes. One draw holds for all frames of a clip.

Shapes: n frames, H W the stored size, S the side that the model takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import cv2
import numpy as np

from engine.arrays import U8
from engine.flow.quantise import ZERO

# Multi-scale cropping of TSN (Wang et al., 2016): each side of the crop is one of these parts of
# the frame's shorter side, and the two sides are neighbours in this list, so aspects vary too.
SCALES = (1.0, 0.875, 0.75, 0.66)

Crops = Literal["anywhere", "corners"]


@dataclass(frozen=True)
class Crop:
    """A rectangle of the stored frame, in px, and whether it is mirrored."""

    top: int
    left: int
    height: int
    width: int
    mirrored: bool

    def frames(self, frames: U8, side: int) -> U8:
        """[n, H, W, 3] -> [n, S, S, 3]."""
        cut = frames[:, self._rows, self._columns]
        scaled = np.stack([_scale(frame, side) for frame in cut])
        return np.ascontiguousarray(scaled[:, :, ::-1]) if self.mirrored else scaled

    def reduced(self, times: int) -> Crop:
        """The same crop of a picture reduced to one so-manieth of its width and height."""
        return Crop(
            self.top // times,
            self.left // times,
            self.height // times,
            self.width // times,
            self.mirrored,
        )

    def stacks(self, stacks: U8, side: int) -> U8:
        """[n, 20, H, W] -> [n, 20, S, S]; mirrored flow also changes the sign of its x."""
        cut = stacks[..., self._rows, self._columns]
        planes = cut.reshape(-1, self.height, self.width)  # [n·20, h, w]
        scaled = np.stack([_scale(plane, side) for plane in planes])
        scaled = scaled.reshape(*stacks.shape[:2], side, side)  # [n, 20, S, S]
        return mirror_stacks(scaled) if self.mirrored else scaled

    @property
    def _rows(self) -> slice:
        return slice(self.top, self.top + self.height)

    @property
    def _columns(self) -> slice:
        return slice(self.left, self.left + self.width)


def random_crop(
    size: tuple[int, int], rng: np.random.Generator, *, crops: Crops = "anywhere"
) -> Crop:
    """A crop of a frame of `size` = (width, height), mirrored half of the time.

    crops: where it lies. TSN's `corners` are the frame's four and its centre: chosen freely,
    crops lie near the centre most of the time.
    """
    width, height = size
    first = int(rng.integers(len(SCALES)))
    second = int(np.clip(first + rng.integers(-1, 2), 0, len(SCALES) - 1))
    shorter = min(size)
    crop_height, crop_width = round(shorter * SCALES[first]), round(shorter * SCALES[second])
    bottom, right = height - crop_height, width - crop_width
    if crops == "corners":
        top, left = _corners(bottom, right)[int(rng.integers(5))]
    else:
        top, left = int(rng.integers(bottom + 1)), int(rng.integers(right + 1))
    return Crop(
        top=top,
        left=left,
        height=crop_height,
        width=crop_width,
        mirrored=bool(rng.random() < 0.5),
    )


def standard_crops(size: tuple[int, int], side: int) -> tuple[Crop, ...]:
    """The paper's 10 crops for testing: the centre and four corners, then all mirrored.

    The first is the centre crop, the one that a stream is scored with.
    """
    places = _corners(size[1] - side, size[0] - side)
    return tuple(
        Crop(top, left, side, side, mirrored) for mirrored in (False, True) for top, left in places
    )


def _corners(bottom: int, right: int) -> tuple[tuple[int, int], ...]:
    """Top and left of a crop in the centre and in each corner; bottom, right: its last places."""
    corners = ((0, 0), (0, right), (bottom, 0), (bottom, right))
    return ((bottom // 2, right // 2), *corners)


def mirror_stacks(stacks: U8) -> U8:
    """Flow [..., 20, H, W] of the mirrored scene: columns reversed, x negated (256 - q exactly)."""
    mirrored = np.ascontiguousarray(stacks[..., ::-1])
    mirrored[..., 0::2, :, :] = (256 - mirrored[..., 0::2, :, :].astype(np.int16)).astype(np.uint8)
    return mirrored


def slow_camera(stacks: U8, rate: float, phase: float) -> U8:
    """Flow [n, 20, H, W] as a camera would give it that has a frame at only `rate` of the ticks.

    A tick without a frame repeats the one before and has zero flow; the next pair then spans both
    steps. Its flow is taken as the sum of theirs. phase: 0..1, where in its rhythm the camera is.
    """
    count, channels, height, width = stacks.shape
    pairs = stacks.reshape(count, channels // 2, 2, height, width).astype(np.int16) - ZERO
    slowed = np.zeros_like(pairs)
    waiting = np.zeros_like(pairs[:, 0])  # [n, 2, H, W]
    for index in range(pairs.shape[1]):
        waiting += pairs[:, index]
        if int((index + 1) * rate + phase) > int(index * rate + phase):
            slowed[:, index] = waiting.clip(-127, 127)
            waiting[:] = 0
    return (slowed + ZERO).astype(np.uint8).reshape(stacks.shape)


def random_colours(frames: U8, rng: np.random.Generator) -> U8:
    """[n, S, S, 3] with other contrast, brightness and tint, and now and then without colour."""
    if rng.random() < 0.1:
        grey = frames @ np.array([0.299, 0.587, 0.114], np.float32)
        frames = np.repeat(grey.astype(np.uint8)[..., None], 3, axis=3)
    contrast = rng.uniform(0.7, 1.3)
    shift = rng.uniform(-25, 25) + rng.uniform(-10, 10, 3)  # per channel: a tint
    levels = np.arange(256, dtype=np.float32)[:, None]
    table = np.clip((levels - 128) * contrast + 128 + shift, 0, 255).astype(np.uint8)  # [256, 3]
    return np.stack([table[frames[..., channel], channel] for channel in range(3)], axis=-1)


def _scale(image: U8, side: int) -> U8:
    if image.shape[:2] == (side, side):
        return image
    return cast(
        U8, cv2.resize(np.ascontiguousarray(image), (side, side), interpolation=cv2.INTER_LINEAR)
    )
