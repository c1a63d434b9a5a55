"""The part of a camera's picture that the model may see; the rest becomes grey before it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np

from engine.arrays import U8

SMALLEST = 0.001  # of the picture
GREY = 127  # about what the networks' normalisation turns into nothing; it never moves

TOUCHES = 1e-9  # so near to a side, a corner lies on it: decimals have no exact floats

Point = tuple[float, float]
Side = tuple[Point, Point]


class Region:
    """A polygon on pictures of one size. A pixel belongs to it where its centre does.

    Args:
        points: x and y of each corner, from 0, 0 at the top left to 1, 1 at the bottom right.
        size: the pictures' width and height in px.

    Attributes:
        outside: bool [h,w], the pixels that don't belong to it.
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
        self.outside = ~inside  # [h,w]

    def apply(self, image: U8) -> U8:
        """A picture [h,w,3] with everything outside grey."""
        masked = image.copy()
        masked[self.outside] = GREY
        return masked


def problem_with(points: Sequence[Point]) -> str | None:
    """What is wrong with a polygon and what to do, or None."""
    if len(points) < 3:
        return f"has {len(points)} corners; a polygon has three or more"
    for point in points:
        if not all(math.isfinite(value) and 0 <= value <= 1 for value in point):
            return (
                f"{list(point)} is outside of the picture; corners lie between [0, 0], the top "
                "left, and [1, 1], the bottom right"
            )
    for one, other in combinations(pairwise([*points, points[0]]), 2):
        if _cross(one, other):
            return (
                f"crosses itself, where the side {_said(one)} meets the side {_said(other)}; give "
                "its corners in their order"
            )
    corners = np.array([*points, points[0]])  # [n + 1, 2]
    (x, y), (next_x, next_y) = corners[:-1].T, corners[1:].T
    if abs(float((x * next_y - next_x * y).sum())) / 2 < SMALLEST:
        return f"covers less than {SMALLEST:.1%} of the picture; give its corners in their order"
    return None


def _cross(one: Side, other: Side) -> bool:
    """Whether two sides go through one another. Those that only touch don't: a polygon with a hole
    is drawn so.
    """
    return all(_parts(line, *ends) for line, ends in ((one, other), (other, one)))


def _parts(line: Side, start: Point, end: Point) -> bool:
    """Whether two points lie on different sides of a line, and neither of them on it."""
    (x0, y0), (x1, y1) = line
    a, b = ((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) for x, y in (start, end))
    return min(a, b) < -TOUCHES and max(a, b) > TOUCHES


def _said(side: Side) -> str:
    start, end = side
    return f"{list(start)} to {list(end)}"
