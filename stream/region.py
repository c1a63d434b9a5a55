"""The part of a camera's picture that the model may see: the rest becomes grey before it, and where
that is asked for it is blurred in what is kept of events."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import cv2
import numpy as np

from engine.arrays import U8

SMALLEST = 0.001  # of the picture
# Of what is blurred, along the picture's longer side. Somebody who fills the picture is 16 of them
# tall, and their face two: whatever was smaller than a cell is gone, and no filter brings it back.
CELLS = 16
GREY = 127  # about what the networks' normalisation turns into nothing; it never moves

Point = tuple[float, float]


class Region:
    """A polygon on pictures of one size. A pixel belongs to it where its centre does.

    Args:
        points: x and y of each corner, from 0, 0 at the top left to 1, 1 at the bottom right.
        size: the pictures' width and height in px.
    """

    def __init__(self, points: Sequence[Point], size: tuple[int, int]) -> None:
        width, height = size
        x, y = (np.arange(width) + 0.5) / width, (np.arange(height)[:, None] + 0.5) / height
        inside = np.zeros((height, width), bool)
        # A centre is inside where a ray from it to the left crosses an odd number of edges.
        for (x0, y0), (x1, y1) in pairwise([*points, points[0]]):
            if y0 != y1:
                crosses = (y0 > y) != (y1 > y)  # [h,1]
                inside ^= crosses & (x > x0 + (x1 - x0) * (y - y0) / (y1 - y0))
        self._outside = ~inside  # [h,w]

    def apply(self, image: U8) -> U8:
        """A picture [h,w,3] with everything outside grey."""
        masked = image.copy()
        masked[self._outside] = GREY
        return masked

    def blur(self, image: U8) -> U8:
        """A picture [h,w,3] or a plane [h,w] of one, with everything outside blurred."""
        height, width = self._outside.shape
        cell = max(width, height) / CELLS  # px
        cells = max(1, round(width / cell)), max(1, round(height / cell))
        means = cv2.resize(image, cells, interpolation=cv2.INTER_AREA)
        blurred = cv2.resize(means, (width, height), interpolation=cv2.INTER_LINEAR)
        blurred[~self._outside] = image[~self._outside]
        return cast(U8, blurred)


def problem_with(points: Sequence[Point]) -> str | None:
    """What is wrong with a polygon and what to do, or None."""
    if not points:
        return None
    if len(points) < 3:
        return f"has {len(points)} corners; a polygon has three or more"
    for point in points:
        if not all(math.isfinite(value) and 0 <= value <= 1 for value in point):
            return (
                f"{list(point)} is outside of the picture; corners lie between [0, 0], the top "
                "left, and [1, 1], the bottom right"
            )
    corners = np.array([*points, points[0]])  # [n + 1, 2]
    (x, y), (next_x, next_y) = corners[:-1].T, corners[1:].T
    if abs(float((x * next_y - next_x * y).sum())) / 2 < SMALLEST:
        return f"covers less than {SMALLEST:.1%} of the picture; give its corners in their order"
    return None
