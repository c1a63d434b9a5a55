"""What stands on the stage for a whole shot: chair, bar, hoop, table, stairs."""

from __future__ import annotations

import numpy as np

from stream.scene.actions_with_tools import BAR_HEIGHT, STEP_RISE, STEP_RUN, TABLE_TOP
from stream.scene.shapes import Colour, Shape, box, curve, limb, shade

_STEEL = (125, 130, 140)


def fixture_shapes(name: str, colour: Colour) -> list[Shape]:
    """The named fixture around an actor who stands at the origin and faces z."""
    return _BUILDERS[name](colour)


def _chair(colour: Colour) -> list[Shape]:
    legs = [
        limb((x, 0.0, z), (x, 0.25, z), (0.012, 0.014), shade(colour, 0.7), -0.02)
        for x in (-0.12, 0.12)
        for z in (-0.36, -0.12)
    ]
    seat = [
        Shape(f.points, f.radii, f.colour, -0.06)
        for f in box((-0.14, 0.23, -0.37), (0.14, 0.265, -0.1), colour)
    ]
    back = box((-0.14, 0.34, -0.39), (0.14, 0.56, -0.36), colour)
    posts = [
        limb((x, 0.25, -0.37), (x, 0.56, -0.375), (0.014, 0.014), shade(colour, 0.7))
        for x in (-0.13, 0.13)
    ]
    return [*legs, *seat, *posts, *back]


def _bar(colour: Colour) -> list[Shape]:
    posts = [
        limb((x, 0.0, 0.0), (x, BAR_HEIGHT, 0.0), (0.018, 0.018), shade(colour, 0.8), -0.1)
        for x in (-0.42, 0.42)
    ]
    return [*posts, limb((-0.45, BAR_HEIGHT, 0), (0.45, BAR_HEIGHT, 0), (0.016, 0.016), _STEEL)]


def _hoop(colour: Colour) -> list[Shape]:
    turn = np.linspace(0, 2 * np.pi, 11)
    ring = np.stack((0.09 * np.sin(turn), np.full(11, 1.12), 0.95 + 0.09 * np.cos(turn)), axis=1)
    net = [
        limb(
            p,
            (p[0] * 0.5, 0.98, 0.95 + (p[2] - 0.95) * 0.5),
            (0.004, 0.004),
            (235, 235, 235),
            outline=False,
        )
        for p in ring[::2]
    ]
    board = box((-0.2, 1.06, 1.07), (0.2, 1.36, 1.09), (236, 236, 240))
    pole = limb((0.0, 0.0, 1.2), (0.0, 1.2, 1.2), (0.022, 0.02), shade(colour, 0.7), -0.2)
    return [pole, *board, *curve(ring, 0.011, (225, 60, 30)), *net]


def _table(colour: Colour) -> list[Shape]:
    top = box((-0.36, TABLE_TOP - 0.03, 0.16), (0.36, TABLE_TOP, 0.42), colour)
    legs = [
        limb((x, 0.0, z), (x, TABLE_TOP - 0.02, z), (0.015, 0.018), shade(colour, 0.7))
        for x in (-0.32, 0.32)
        for z in (0.19, 0.39)
    ]
    return [*legs, *(Shape(f.points, f.radii, f.colour, 0.05) for f in top)]


def _stairs(colour: Colour) -> list[Shape]:
    shapes: list[Shape] = []
    for step in range(-1, 11):
        # Step n is level with the origin after n steps; each is drawn down to the floor.
        y = 0.02 + STEP_RISE * max(step, 0)
        z = STEP_RUN * (step - 0.45)
        if step > 0:
            low, high = (-0.26, max(0.0, y - 2.5 * STEP_RISE), z), (0.26, y, z + STEP_RUN)
            shapes += [
                Shape(f.points, f.radii, shade(f.colour, 0.92 + 0.12 * (step % 2)), -0.35)
                for f in box(low, high, colour)
            ]
    return shapes


_BUILDERS = {"chair": _chair, "bar": _bar, "hoop": _hoop, "table": _table, "stairs": _stairs}
