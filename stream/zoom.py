"""A part of a camera's picture that is looked at as if it were all: people in it are larger.

A model learns from people who fill the picture. To a camera that hangs high they are small; the
camera's own zoom is best, and this one takes the place of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.arrays import U8
from engine.sight import Sight, View
from stream.region import Point

SMALLEST = 0.05  # of the picture's width and height


@dataclass(frozen=True)
class Zoom:
    """left, top: its corner, and side: its width and height, as shares of the picture's, whose
    proportions it has.
    """

    left: float
    top: float
    side: float

    @classmethod
    def around(cls, corners: Sequence[Point]) -> Zoom:
        """What holds a rectangle, by its top left and bottom right corners, and has the picture's
        proportions: where the rectangle has others it grows, about its middle where there is room.
        """
        (x0, y0), (x1, y1) = corners
        side = max(x1 - x0, y1 - y0)
        left, top = (
            min(max(0.0, (low + high - side) / 2), 1.0 - side) for low, high in ((x0, x1), (y0, y1))
        )
        return cls(left, top, side)

    def size(self, picture: tuple[int, int]) -> tuple[int, int]:
        """Width and height in px in pictures of `picture` = (width, height)."""
        rows, columns = self._place(picture)
        return columns.stop - columns.start, rows.stop - rows.start

    def of(self, image: U8) -> U8:
        """That part of a picture [H,W,3], as a view of it."""
        height, width = image.shape[:2]
        rows, columns = self._place((width, height))
        return image[rows, columns]

    def points(self, points: Sequence[Point]) -> list[Point]:
        """Points of the picture as points of this part of it, which they may lie outside of."""
        return [((x - self.left) / self.side, (y - self.top) / self.side) for x, y in points]

    def _place(self, picture: tuple[int, int]) -> tuple[slice, slice]:
        """Rows and columns, whole ones."""
        width, height = picture
        rows = slice(round(self.top * height), round((self.top + self.side) * height))
        return rows, slice(round(self.left * width), round((self.left + self.side) * width))


class ZoomedSight:
    """Shows a sight a part of each picture. See `engine.sight.Sight`."""

    def __init__(self, sight: Sight, zoom: Zoom) -> None:
        self._sight, self._zoom = sight, zoom

    def clear(self) -> None:
        """See Sight."""
        self._sight.clear()

    def add(self, tick: int, image: U8, *, with_flow: bool) -> None:
        """See Sight."""
        self._sight.add(tick, self._zoom.of(image), with_flow=with_flow)

    def repeat(self, tick: int) -> None:
        """See Sight."""
        self._sight.repeat(tick)

    def view(self, tick: int, *, with_flow: bool) -> View:
        """See Sight."""
        return self._sight.view(tick, with_flow=with_flow)

    def close(self) -> None:
        """See Sight."""
        self._sight.close()


def problem_with(corners: Sequence[Point]) -> str | None:
    """What is wrong with a rectangle to zoom to and what to do, or None."""
    if len(corners) != 2:
        return f"has {len(corners)} corners; give the top left and the bottom right one"
    if not all(math.isfinite(value) and 0 <= value <= 1 for point in corners for value in point):
        return "goes beyond the picture, whose corners are [0, 0] and [1, 1]"
    (x0, y0), (x1, y1) = corners
    if x1 - x0 < SMALLEST or y1 - y0 < SMALLEST:
        return (
            f"must be at least {SMALLEST:.0%} of the picture each way, from the top left to the "
            "bottom right corner"
        )
    return None
