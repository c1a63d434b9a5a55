"""Solid shapes in space, and the brush that draws them: far ones first, each with its outline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]  # RGB
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

_SHIFT = 4  # bits of sub-pixel position in OpenCV's drawing calls
_TURN = np.linspace(0.0, 2.0 * np.pi, 14, endpoint=False)
_RING = np.stack((np.cos(_TURN), np.sin(_TURN)), axis=1)  # [14,2]


@dataclass(frozen=True)
class Shape:
    """The hull of balls: one ball is a disc, two a limb, more a torso or a plank.

    points [n,3] in the body frame, radii one for each point, in figure heights. `nearer` moves
    the shape in the drawing order only: what lies on the surface of another needs it.
    """

    points: F64
    radii: tuple[float, ...]
    colour: Colour
    nearer: float = 0.0
    outline: bool = True


def ball(at: Sequence[float] | F64, radius: float, colour: Colour, nearer: float = 0.0) -> Shape:
    return Shape(np.array((at,), np.float64), (radius,), colour, nearer)


def limb(
    start: Sequence[float] | F64,
    end: Sequence[float] | F64,
    radii: tuple[float, float],
    colour: Colour,
    nearer: float = 0.0,
    outline: bool = True,
) -> Shape:
    return Shape(np.array((start, end), np.float64), radii, colour, nearer, outline)


def curve(points: F64, radius: float, colour: Colour, nearer: float = 0.0) -> list[Shape]:
    """A bent rod through points [n,3]."""
    pairs = pairwise(points)
    return [limb(a, b, (radius, radius), colour, nearer, outline=False) for a, b in pairs]


def shade(colour: Colour, factor: float) -> Colour:
    r, g, b = (min(255, int(channel * factor)) for channel in colour)
    return r, g, b


_FACES = (  # corners of a unit cube by face, and how much light the face gets
    ((0, 1, 3, 2), 0.8),
    ((4, 5, 7, 6), 1.0),
    ((0, 1, 5, 4), 0.6),
    ((2, 3, 7, 6), 1.2),
    ((0, 2, 6, 4), 0.85),
    ((1, 3, 7, 5), 0.85),
)


def box(low: Sequence[float], high: Sequence[float], colour: Colour) -> list[Shape]:
    """The six faces of a block between two corners."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    corners = np.array([(x, y, z) for z in (z0, z1) for y in (y0, y1) for x in (x0, x1)])
    return [
        Shape(corners[list(face)], (0.003,) * 4, shade(colour, light)) for face, light in _FACES
    ]


class Projection(Protocol):
    def project(self, points: F64) -> tuple[F64, F64, F64]:
        """World points [n,3] -> pixels [n,2], px per unit [n], nearness [n]."""
        ...


class Tint(Protocol):
    def tint(self, colour: Colour) -> Colour: ...


def draw(
    image: U8, shapes: Iterable[Shape], placement: F64, camera: Projection, light: Tint
) -> None:
    """Draw shapes into an RGB image in place; `placement` [3,4] takes body frame to world."""
    listed = list(shapes)
    if not listed:
        return
    points = np.concatenate([shape.points for shape in listed])
    radii = np.concatenate([np.asarray(shape.radii) for shape in listed])
    world = points @ placement[:, :3].T + placement[:, 3]
    pixels, scale, near = camera.project(world)
    rings = pixels[:, None, :] + _RING * (radii * scale)[:, None, None]  # [n,14,2]
    fixed = np.rint(rings * (1 << _SHIFT)).astype(np.int32)

    pen = max(1, round(image.shape[0] / 240))
    ends = np.cumsum([len(shape.radii) for shape in listed])
    starts = ends - [len(shape.radii) for shape in listed]
    depth = [
        near[a:b].mean() + shape.nearer for a, b, shape in zip(starts, ends, listed, strict=True)
    ]
    for index in np.argsort(depth, kind="stable"):
        shape = listed[index]
        hull = cv2.convexHull(fixed[starts[index] : ends[index]].reshape(-1, 1, 2))
        colour = light.tint(shape.colour)
        cv2.fillConvexPoly(image, hull, colour, cv2.LINE_AA, _SHIFT)
        if shape.outline:
            edge = shade(colour, 0.62)
            cv2.polylines(image, [hull], True, edge, pen, cv2.LINE_AA, _SHIFT)
