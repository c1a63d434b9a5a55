"""Actions with a ball: throw, catch, kick, shoot at a hoop, as functions of their cycle."""

# ruff: noqa: ARG001  (all actions share one signature, and not each needs all of it)

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream.scene.body import Joints, Pose, between, ease, glide, pose
from stream.scene.motion import QUARTER, SIDE, Action, Style
from stream.scene.shapes import Shape, ball

_BALL_R = 0.042
_FOOTBALL_R = 0.058


def _throw(cycle: float, style: Style) -> Pose:
    a = style.amplitude
    rest = pose((0, 0.52, 0), right=(-0.1, -0.14, 0.16), left=(0.1, -0.14, 0.16))
    wound = pose(
        (0.0, 0.505, -0.08), (-0.2 * a, 0.0, -0.75 * a), (0.0, 0.45), (0.2, 0.0, 0.2),
        (-0.24, 0.16, -0.15), right_elbow=(-1.0, 0.2, -0.6), left_foot=(0.07, 0.09, 0.14),
        right_foot=(-0.07, 0.04, -0.1),
    )  # fmt: skip
    thrown = pose(
        (0.0, 0.49, 0.06), (0.42 * a, 0.0, 0.5 * a), (-0.1, -0.3), (0.2, -0.22, -0.1),
        (-0.06, 0.1, 0.28), right_elbow=(-0.8, -0.1, -0.2), left_foot=(0.07, 0.04, 0.2),
        right_foot=(-0.07, 0.05, -0.12), toes=(0.0, 0.5),
    )  # fmt: skip
    after = pose(
        (0.0, 0.48, 0.07), (0.7 * a, 0.0, 0.6 * a), (-0.2, -0.4), (0.2, -0.2, -0.12),
        (0.06, -0.26, 0.14), left_foot=(0.07, 0.04, 0.2), right_foot=(-0.07, 0.07, -0.1),
        toes=(0.0, 0.6),
    )  # fmt: skip
    return between(
        cycle % 1.0, (0, rest), (0.4, wound), (0.56, thrown), (0.7, after), (0.8, after), (1, rest)
    )


def _thrown_ball(cycle: float, style: Style, joints: Joints) -> Sequence[Shape]:
    phase = cycle % 1.0
    if phase < 0.53:
        return [ball(joints.fingers[1], _BALL_R, (232, 228, 90), nearer=0.03)]
    if phase > 0.9:
        return []
    t = phase - 0.53
    at = (-0.08, 1.0 + 0.9 * t - 2.2 * t * t, 0.35 + 6.0 * t)
    return [ball(at, _BALL_R, (232, 228, 90))]


def _catch(cycle: float, style: Style) -> Pose:
    a = style.amplitude
    ready = pose(
        (0, 0.50, -0.02), (0.15, 0, 0), (0, 0), (0.1, -0.15, 0.19), (-0.1, -0.15, 0.19),
        left_foot=(0.1, 0.04, 0), right_foot=(-0.1, 0.04, 0),
    )  # fmt: skip
    out = pose(
        (0, 0.50, 0.03), (0.2, 0, 0), (-0.1, 0), (0.07, 0.09 * a, 0.28), (-0.07, 0.09 * a, 0.28),
        left_foot=(0.1, 0.04, 0), right_foot=(-0.1, 0.04, 0),
    )  # fmt: skip
    held = pose(
        (0, 0.48, -0.06), (0.25, 0, 0), (0.2, 0), (0.05, -0.19, 0.13), (-0.05, -0.19, 0.13),
        left_foot=(0.1, 0.04, 0), right_foot=(-0.1, 0.04, 0), left_elbow=(1, -0.5, -0.5),
        right_elbow=(-1, -0.5, -0.5),
    )  # fmt: skip
    return between(
        cycle % 1.0, (0, ready), (0.22, ready), (0.44, out), (0.62, held), (0.82, held), (1, ready)
    )


def _caught_ball(cycle: float, style: Style, joints: Joints) -> Sequence[Shape]:
    phase = cycle % 1.0
    hands = joints.fingers.mean(axis=0)
    if phase < 0.46:
        t = (0.46 - phase) / 0.46
        flight = hands + np.array((0.0, 0.75 * t * (1 - t), 2.0 * t))
        return [ball(flight, 0.052, (240, 110, 40))]
    return [ball(hands, 0.052, (240, 110, 40), nearer=0.02)]


def _kick(cycle: float, style: Style) -> Pose:
    a = style.amplitude
    rest = pose((0, 0.523, 0))
    back = pose(
        (0.02, 0.50, 0.0), (0.22, 0.0, 0.3), (0.25, 0.0), (0.2, -0.12, 0.18), (-0.2, -0.2, -0.12),
        right_foot=(-0.06, 0.24 * a, -0.33), toes=(0.0, 0.9),
    )  # fmt: skip
    through = pose(
        (0.02, 0.51, 0.04), (-0.22, 0.0, -0.35), (0.2, 0.0), (0.22, -0.12, -0.18),
        (-0.2, -0.08, 0.2), right_foot=(-0.03, 0.36 * a, 0.40), toes=(0.0, 0.3),
    )  # fmt: skip
    return between(
        cycle % 1.0,
        (0, rest),
        (0.34, back),
        (0.52, through),
        (0.64, through),
        (0.9, rest),
        (1, rest),
    )


def _kicked_ball(cycle: float, style: Style, joints: Joints) -> Sequence[Shape]:
    phase = cycle % 1.0
    if phase < 0.445:  # rolls in, and lies before the foot when it comes
        away = 1.3 * (1 - ease(phase / 0.36)) if cycle >= 1 else 0.0
        at = np.array((-0.05, _FOOTBALL_R, 0.17 + away))
        spin = -away / _FOOTBALL_R
    else:
        t = phase - 0.445
        at = np.array(
            (-0.05, max(_FOOTBALL_R, _FOOTBALL_R + 2.4 * t - 4.5 * t * t), 0.17 + 5.5 * t)
        )
        spin = 40 * t
    spot = at + _FOOTBALL_R * 0.6 * np.array((0.5, np.cos(spin), np.sin(spin)))
    return [ball(at, _FOOTBALL_R, (245, 245, 245)), ball(spot, 0.02, (30, 30, 30), nearer=0.03)]


def _shot(cycle: float, style: Style) -> Pose:
    phase = cycle % 1.0
    crouch = glide(phase, (0, 0.1), (0.3, 1.0), (0.5, 0.0), (0.8, 0.0), (0.9, 0.6), (1, 0.1))
    hop = glide(phase, (0.42, 0.0), (0.6, 0.09 * style.amplitude), (0.8, 0.0))
    raised = glide(phase, (0.0, 0.0), (0.3, 0.12), (0.56, 1.0), (0.72, 1.0), (1.0, 0.0))
    angle = 0.9 + 2.05 * raised
    reach = 0.19 + 0.12 * raised
    hand = (-reach * np.cos(angle), reach * np.sin(angle))
    return pose(
        (0.0, 0.52 - 0.13 * crouch + hop, -0.04 * crouch), (0.35 * crouch, 0.0, 0.0),
        (-0.35 * raised, 0.0), (0.06, *hand), (-0.06, *hand), (0.8, -0.7, 0.1), (-0.8, -0.7, 0.1),
        (0.07, 0.04 + hop, 0.02), (-0.07, 0.04 + hop, -0.02), toes=(5 * hop, 5 * hop),
    )  # fmt: skip


def _basketball(cycle: float, style: Style, joints: Joints) -> Sequence[Shape]:
    phase = cycle % 1.0
    hold = joints.fingers.mean(axis=0)
    if phase < 0.55:
        return [ball(hold + np.array((0, 0.02, 0.02)), 0.062, (226, 112, 36), 0.02)]
    t = (phase - 0.55) / 0.32
    start, end = np.array((0.0, 1.3, 0.2)), np.array((0.0, 1.18, 0.95))
    if t < 1:
        flight = start + (end - start) * t + np.array((0.0, 0.9 * t * (1 - t), 0.0))
        return [ball(flight, 0.062, (226, 112, 36))]
    return [ball(end - np.array((0.0, 3.5 * (phase - 0.87), 0.0)), 0.062, (226, 112, 36))]


ACTIONS_WITH_A_BALL = (
    Action("throw", _throw, (1.05, 1.4), (SIDE, QUARTER), _thrown_ball, reach=1.15),
    Action("catch", _catch, (1.0, 1.3), (SIDE, QUARTER), _caught_ball, detail=True),
    Action("kick_ball", _kick, (1.05, 1.35), (SIDE, QUARTER), _kicked_ball),
    Action("shoot_ball", _shot, (1.25, 1.6), (SIDE, QUARTER), _basketball, "hoop", reach=1.6),
)
