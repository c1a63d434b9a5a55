"""A clip seen from further away: shrunk, with copies of itself around it, so that nothing is empty.

Surveillance cameras hang high and stand still: a person is a tenth of the picture, and there are
several of them. Clips of data sets were cut for their actors, who fill them, and whom the camera
follows: someone who walks stays in the middle there, and it is the street that moves.

Shapes: n frames, H W the stored size, S the side that the model takes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.arrays import F32, U8, AnyArray
from engine.flow.quantise import ZERO

NEAREST, FURTHEST = 1.25, 4.0  # people of 0.8 of the frame's height are then 0.64 to 0.2 of it
MOVING = 0.5  # of the copies in flow: a far picture stands still in most places


@dataclass(frozen=True)
class FarView:
    """A square that is `distance` times as high as the frame.

    Copies beside the frame are mirrored in turn, those above and below it stand upright as it does.

    left, top: where the frame's own corner lies in the square, in parts of the side.
    mirrored: the whole of it. moving: seeds which copies move in flow, and which stand still; none
    of them moves where it is None. The frame always does.
    """

    distance: float
    left: float
    top: float
    mirrored: bool
    moving: int | None

    def frames(self, frames: U8, side: int) -> U8:
        """[n, H, W, 3] -> [n, S, S, 3]."""
        height, width = frames.shape[1:3]
        small = self._small(width, height, side)
        shrunk = np.stack([_shrunk(frame, small) for frame in frames])
        seen = shrunk[:, self._rows(small, side)[0]][:, :, self._columns(small, side)[0]]
        return np.ascontiguousarray(seen[:, :, ::-1]) if self.mirrored else seen

    def reduced(self, times: int) -> FarView:  # noqa: ARG002
        """The same view of a picture reduced to one so-manieth: nothing here is in pixels."""
        return self

    def stacks(self, stacks: U8, side: int) -> U8:
        """[n, 20, H, W] -> [n, 20, S, S].

        What is further away moves by fewer pixels, and a mirror image the other way. The camera's
        own motion, each field's median, is taken out: a far camera doesn't follow anybody.
        """
        count, channels, height, width = stacks.shape
        small = self._small(width, height, side)
        fields = stacks.reshape(-1, height, width)
        planes = fields - np.median(fields, axis=(1, 2), keepdims=True).astype(np.float32)
        shrunk = np.stack([_shrunk(plane, small) for plane in planes]) / np.float32(self.distance)
        (rows, above), (columns, beside) = self._rows(small, side), self._columns(small, side)
        seen = shrunk[:, rows][:, :, columns] * _moving(above, beside, self.moving)
        seen = seen.reshape(count, channels, side, side)
        seen[:, 0::2] *= np.where(beside % 2 == self.mirrored, 1, -1)
        if self.mirrored:
            seen = seen[..., ::-1]
        return (np.rint(seen).clip(-127, 127) + ZERO).astype(np.uint8)

    def _small(self, width: int, height: int, side: int) -> tuple[int, int]:
        """Width and height of the frame in the square, in px."""
        shrinks = side / (self.distance * height)
        return max(2, round(width * shrinks)), max(2, round(height * shrinks))

    def _rows(self, small: tuple[int, int], side: int) -> _Places:
        """For each row of the square: which of the frame's, and of which copy; 0 is the frame."""
        copy, row = np.divmod(np.arange(side) - round(self.top * side), small[1])
        return row, copy

    def _columns(self, small: tuple[int, int], side: int) -> _Places:
        copy, column = np.divmod(np.arange(side) - round(self.left * side), small[0])
        return np.where(copy % 2, small[0] - 1 - column, column), copy


_Places = tuple[NDArray[np.intp], NDArray[np.intp]]


def far_view(size: tuple[int, int], distance: float) -> FarView:
    """A frame of `size` = (width, height) in the middle of a square `distance` times as high, where
    nothing else moves.
    """
    width, height = size
    return FarView(
        distance=distance,
        left=(1 - width / height / distance) / 2,
        top=(1 - 1 / distance) / 2,
        mirrored=False,
        moving=None,
    )


def random_far_view(rng: np.random.Generator) -> FarView:
    """Distances evenly on a logarithmic scale.

    The frame lies inside the square with all of its height. One that is wider than it is high may
    be cut off at a side.
    """
    distance = float(np.exp(rng.uniform(np.log(NEAREST), np.log(FURTHEST))))
    room = 1 - 1 / distance
    return FarView(
        distance=distance,
        left=float(rng.uniform(0, room)),
        top=float(rng.uniform(0, room)),
        mirrored=bool(rng.random() < 0.5),
        moving=int(rng.integers(2**31)),
    )


def _moving(above: NDArray[np.intp], beside: NDArray[np.intp], seed: int | None) -> F32:
    """[S, S]: 1 where copies move, 0 where they stand still. above, beside: the copy, by place."""
    first = above.min(), beside.min()
    shape = np.ptp(above) + 1, np.ptp(beside) + 1
    copies = np.zeros(shape, np.bool_)
    if seed is not None:
        copies = np.random.default_rng(seed).random(shape) < MOVING
    copies[-first[0], -first[1]] = True  # the frame
    moving: F32 = copies[above - first[0]][:, beside - first[1]].astype(np.float32)
    return moving


def _shrunk(picture: AnyArray, size: tuple[int, int]) -> AnyArray:
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), size, interpolation=cv2.INTER_AREA))
