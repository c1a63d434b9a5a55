"""What an action is: a pose and props as functions of its cycle, and how it may be staged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stream.scene.body import Joints, Pose, pose
from stream.scene.shapes import Shape

FRONT, QUARTER, SIDE = "front", "quarter", "side"
ALL_VIEWS = (FRONT, QUARTER, SIDE)


@dataclass(frozen=True)
class Style:
    """How one actor does it. amplitude about 1; variant 0..1 picks between manners."""

    amplitude: float
    variant: float


Posing = Callable[[float, Style], Pose]
Propping = Callable[[float, Style, Joints], Sequence[Shape]]


@dataclass(frozen=True)
class Action:
    """One row of the table.

    `posing` and `props` take the cycle: how many repetitions have passed, 0.0 at the start. They
    describe a right-handed actor; the stage mirrors them. Props are in the body frame, whose origin
    moves by `travel` (forward and up, in figure heights) each cycle, evenly.
    """

    label: str
    posing: Posing
    period_s: tuple[float, float]
    views: tuple[str, ...] = ALL_VIEWS
    props: Propping | None = None
    fixture: str | None = None  # what stands on the stage for the whole shot
    travel: tuple[float, float] = (0.0, 0.0)
    once: bool = False  # one repetition fills the interval
    duration_s: tuple[float, float] = (2.0, 3.4)
    reach: float = 1.02  # highest point, in figure heights
    detail: bool = False  # small movements: the figure must be large
    long_hair: bool = False


def idle_pose(seconds: float, style: Style) -> Pose:
    """Standing about: breathing, a slow sway, now and then a look aside."""
    breath = np.sin(2 * np.pi * seconds / 3.7 + 5 * style.variant)
    sway = np.sin(2 * np.pi * seconds / 5.3 + 9 * style.variant)
    look = 0.35 * np.sin(2 * np.pi * seconds / 7.1 + 17 * style.variant) ** 3
    pelvis = (0.012 * sway, 0.523 + 0.0015 * breath, 0.0)
    bend = (0.02 + 0.012 * breath, 0.02 * sway, 0.03 * sway)
    manner = style.variant * 4 % 1
    if manner < 0.2:  # hands on the hips
        return pose(
            pelvis, bend, (0.03, look), (0.085, -0.255, 0.055), (-0.085, -0.255, 0.055),
            (1.0, -0.1, -0.4), (-1.0, -0.1, -0.4),
        )  # fmt: skip
    if manner < 0.35:  # arms crossed
        return pose(
            pelvis, bend, (0.03, look), (-0.055, -0.13, 0.11), (0.055, -0.155, 0.12),
            (0.8, -0.8, 0.0), (-0.8, -0.8, 0.0),
        )  # fmt: skip
    lift = 0.005 * breath
    return pose(
        pelvis, bend, (0.03, look), (0.145, -0.295 + lift, 0.03), (-0.145, -0.295 + lift, 0.03)
    )


def seated_pose(seconds: float, style: Style) -> Pose:
    """Sitting on the chair, hands on the thighs."""
    breath = np.sin(2 * np.pi * seconds / 3.7 + 5 * style.variant)
    sway = np.sin(2 * np.pi * seconds / 5.9 + 9 * style.variant)
    look = 0.35 * np.sin(2 * np.pi * seconds / 7.1 + 17 * style.variant) ** 3
    return pose(
        (0.0, 0.325, -0.235), (0.03 + 0.015 * breath, 0.02 * sway, 0.0), (0.04, look),
        (0.085, -0.225, 0.19), (-0.085, -0.225, 0.19), left_foot=(0.065, 0.04, 0.02),
        right_foot=(-0.065, 0.04, 0.02),
    )  # fmt: skip
