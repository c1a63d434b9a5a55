"""Actions that need a tool or a fixture: a bar, a club, a bat, a bow, a gun, a jug, stairs, ..."""

# ruff: noqa: ARG001  (all actions share one signature, and not each needs all of it)

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream.scene.body import F64, Joints, Pose, ease, glide, pose, to_torso
from stream.scene.motion import FRONT, QUARTER, SIDE, Action, Style
from stream.scene.shapes import Shape, ball, curve, limb

BAR_HEIGHT = 1.24
STEP_RISE, STEP_RUN = 0.11, 0.19
TABLE_TOP = 0.5
_WOOD, _STEEL, _DARK = (150, 104, 60), (150, 155, 165), (40, 40, 45)


def _holding(base: Pose, left: Sequence[float] | F64, right: Sequence[float] | F64) -> Pose:
    """`base` with its wrists at body-frame points."""
    hands = np.stack((to_torso(base, left), to_torso(base, right)))
    return Pose(
        base.pelvis, base.bend, base.head, hands, base.elbows, base.feet, base.knees, base.toes
    )


def _pullup(cycle: float, style: Style) -> Pose:
    up = 0.5 - 0.5 * np.cos(2 * np.pi * cycle)
    pelvis_y = 0.66 + 0.24 * up
    kick = 0.03 * np.sin(4 * np.pi * cycle)
    feet = (0.5 * pelvis_y - 0.13, -0.14 + kick) if style.variant > 0.5 else (pelvis_y - 0.47, kick)
    base = pose(
        (0.0, pelvis_y, -0.02 - 0.04 * up), (-0.06 * up, 0.0, 0.0), (-0.2 * up, 0.0),
        left_elbow=(1.0, -0.8, 0.1), right_elbow=(-1.0, -0.8, 0.1),
        left_foot=(0.05, *feet), right_foot=(-0.05, *feet), toes=(0.9, 0.9),
    )  # fmt: skip
    grip = BAR_HEIGHT - 0.045
    return _holding(base, (0.19, grip, 0.0), (-0.19, grip, 0.0))


def _golf_angles(cycle: float) -> tuple[float, float]:
    """Angle of the arms about the shoulders, and of the club; 0 hangs down, + to the left."""
    knots = ((0.0, 0.0), (0.40, -2.2), (0.46, -2.2), (0.64, 2.2), (0.8, 2.2), (1.0, 0.0))
    arms = glide(cycle % 1.0, *knots)
    return arms, arms * 1.45


def _golf(cycle: float, style: Style) -> Pose:
    arms, _ = _golf_angles(cycle)
    grip = np.array((0.27 * np.sin(arms), -0.06 - 0.24 * np.cos(arms), 0.13))
    return pose(
        (0.03 * np.sin(arms), 0.495, -0.05), (0.42, 0.0, 0.32 * arms), (0.3, -0.2 * arms),
        grip + np.array((0.02, 0.02, 0.0)), grip + np.array((-0.02, -0.02, 0.0)),
        (0.8, -0.6, -0.2), (-0.8, -0.6, -0.2), (0.12, 0.04, 0.0), (-0.12, 0.04, 0.0),
        toes=(0.0, 0.5 * max(0.0, arms) / 2.2),
    )  # fmt: skip


def _club(cycle: float, style: Style, joints: Joints) -> Sequence[Shape]:
    _, angle = _golf_angles(cycle)
    grip = joints.fingers.mean(axis=0)
    way = np.array((np.sin(angle), -np.cos(angle), 0.45))
    head = grip + way * (0.46 / np.linalg.norm(way))
    shapes = [
        limb(grip - way * 0.06, head, (0.011, 0.008), _STEEL, 0.03),
        limb(head, head + np.array((0.035, 0.0, 0.02)), (0.02, 0.014), _DARK, 0.03),
    ]
    phase = cycle % 1.0
    if phase < 0.55:
        shapes.append(ball((0.03, 0.02, 0.36), 0.02, (250, 250, 250)))
    elif phase < 0.8:
        t = phase - 0.55
        shapes.append(ball((0.03 + 7 * t, 0.02 + 2.5 * t, 0.36), 0.02, (250, 250, 250)))
    return shapes


def _bat_turn(cycle: float) -> float:
    """The swing's angle about the spine; negative is wound up over the right shoulder."""
    return glide(cycle % 1.0, (0, -1.5), (0.32, -1.9), (0.56, 1.7), (0.72, 1.9), (1.0, -1.5))


def _bat_raise(cycle: float) -> float:
    return glide(
        cycle % 1.0, (0, 1.0), (0.34, 1.0), (0.44, 0.0), (0.6, 0.1), (0.76, 0.5), (1.0, 1.0)
    )


def _baseball(cycle: float, style: Style) -> Pose:
    turn, raised = _bat_turn(cycle), _bat_raise(cycle)
    twist = 0.42 * turn
    arm = turn - twist
    grip = np.array((0.23 * np.sin(arm), -0.13 + 0.13 * raised, 0.05 + 0.2 * np.cos(arm)))
    step = 0.09 * glide(cycle % 1.0, (0.1, 0), (0.3, 1), (0.8, 1), (1, 0))
    return pose(
        (0.05 * np.sin(turn), 0.485, 0.0), (0.14, 0.0, twist), (0.05, 0.9 - 0.2 * turn),
        grip + np.array((0.015, -0.025, 0.0)), grip + np.array((-0.015, 0.025, 0.0)),
        (0.7, -0.8, -0.2), (-0.9, -0.3, -0.4), (0.12 + step, 0.04, 0.0), (-0.15, 0.04, 0.0),
        toes=(0.0, 0.6 * ease(turn)),
    )  # fmt: skip


def _bat(cycle: float, style: Style, joints: Joints) -> Sequence[Shape]:
    turn, raised = _bat_turn(cycle) * 1.12, _bat_raise(cycle)
    level = np.array((np.sin(turn), 0.0, np.cos(turn)))
    way = level * (1 - 0.75 * raised) + np.array((0.0, 1.0, -0.25)) * raised
    grip = joints.fingers.mean(axis=0)
    way /= np.linalg.norm(way)
    return [limb(grip - way * 0.05, grip + way * 0.42, (0.012, 0.028), (196, 150, 92), 0.03)]


def _draw_share(cycle: float) -> float:
    """How far the bow is drawn: slowly to the chin, then let go."""
    phase = cycle % 1.0
    return glide(phase, (0.08, 0.0), (0.55, 1.0), (0.7, 1.0)) if phase < 0.7 else 0.0


def _bow_pose(cycle: float, style: Style) -> Pose:
    drawn = _draw_share(cycle)
    # Let go, the hand flies back a little; only then does it return to the string.
    back = glide(cycle % 1.0, (0.08, 0.0), (0.55, 1.0), (0.7, 1.0), (0.76, 1.4), (0.98, 0.0))
    recoil = glide(cycle % 1.0, (0.7, 0.0), (0.76, 1.0), (0.95, 0.0))
    string = np.array((0.27 - 0.35 * back, 0.06 * recoil, 0.1 - 0.03 * back))
    return pose(
        (-0.01, 0.515, 0.0), (0.0, -0.04 * drawn, 0.12), (0.0, 1.35),
        (0.4, -0.01 - 0.05 * recoil, 0.06), string, (0.1, -1.0, -0.3), (-1.0, 0.35, -0.35),
        (0.13, 0.04, 0.0), (-0.13, 0.04, 0.0),
    )  # fmt: skip


def _bow(cycle: float, style: Style, joints: Joints) -> Sequence[Shape]:
    side, up, _ = joints.torso.T
    hand = joints.fingers[0]
    bows = np.linspace(-1.0, 1.0, 9)
    sag = 0.11 + 0.05 * _draw_share(cycle)
    wood = np.stack([hand + up * (0.33 * b) - side * (sag * b * b) for b in bows])  # [9,3]
    phase = cycle % 1.0
    held = 0.08 <= phase < 0.7
    nock = joints.fingers[1] if held else hand - side * sag
    shapes = curve(wood, 0.011, (120, 70, 30), 0.03)
    shapes += [
        limb(end, nock, (0.004, 0.004), (235, 235, 225), 0.03) for end in (wood[0], wood[-1])
    ]
    if held:
        shapes.append(limb(nock, nock + side * 0.42, (0.005, 0.005), (230, 210, 160), 0.04))
    elif 0.7 <= phase < 0.85:
        tail = hand + side * (9.0 * (phase - 0.7))
        shapes.append(limb(tail, tail + side * 0.42, (0.005, 0.005), (230, 210, 160), 0.04))
    return shapes


def _recoil(cycle: float) -> float:
    phase = cycle % 1.0
    return glide(phase, (0.3, 0.0), (0.4, 1.0), (0.85, 0.0))


def _shoot(cycle: float, style: Style) -> Pose:
    kick = _recoil(cycle)
    hands = np.array((0.0, 0.02 + 0.10 * kick * style.amplitude, 0.295 - 0.045 * kick))
    return pose(
        (0.0, 0.505, 0.0), (0.1 - 0.12 * kick, 0.0, 0.0), (0.08, 0.0),
        hands + np.array((0.025, -0.015, -0.01)), hands + np.array((-0.015, 0.0, 0.0)),
        (0.9, -0.8, 0.0), (-0.9, -0.8, 0.0), (0.1, 0.04, 0.1), (-0.1, 0.04, -0.1),
    )  # fmt: skip


def _gun(cycle: float, style: Style, joints: Joints) -> Sequence[Shape]:
    kick = _recoil(cycle)
    hold = joints.fingers.mean(axis=0)
    way = np.array((0.0, 0.55 * kick, 1.0))
    up = np.array((0.0, 1.0, -0.55 * kick))
    rear, muzzle = hold + up * 0.035 - way * 0.02, hold + up * 0.035 + way * 0.15
    shapes = [
        limb(rear, muzzle, (0.018, 0.016), _DARK, 0.04),
        limb(hold - up * 0.025, rear, (0.017, 0.018), _DARK, 0.04),
    ]
    if 0.3 <= cycle % 1.0 < 0.45:
        shapes.append(limb(muzzle, muzzle + way * 0.11, (0.015, 0.045), (255, 225, 90), 0.04))
    return shapes


def _tilt(cycle: float) -> float:
    return 0.5 - 0.5 * float(np.cos(2 * np.pi * cycle))


def _pour(cycle: float, style: Style) -> Pose:
    tilt = _tilt(cycle)
    return pose(
        (0.0, 0.52, 0.0), (0.1 + 0.05 * tilt, -0.05 * tilt, 0.0), (0.35, 0.15),
        (0.11, -0.21, 0.21), (-0.14 + 0.03 * tilt, -0.10 + 0.14 * tilt, 0.20), (0.9, -0.8, -0.2),
        (-1.0, -0.5 + 0.6 * tilt, 0.0),
    )  # fmt: skip


def _jug(cycle: float, style: Style, joints: Joints) -> Sequence[Shape]:
    tilt = 2.0 * _tilt(cycle)
    grip, cup = joints.fingers[1], joints.fingers[0]
    up = np.array((np.sin(tilt), np.cos(tilt), 0.0))
    bottom, top = (
        grip - up * 0.075 + np.array((0.03, 0, 0.02)),
        grip + up * 0.085 + np.array((0.03, 0, 0.02)),
    )
    shapes = [
        limb(bottom, top, (0.05, 0.034), (60, 120, 205), 0.05),
        limb(
            cup - np.array((0, 0.035, 0)),
            cup + np.array((0, 0.04, 0)),
            (0.03, 0.036),
            (250, 250, 250),
            0.05,
        ),
    ]
    if tilt > 1.05:
        mouth = cup + np.array((0.0, 0.05, 0.0))
        shapes.append(limb(top, mouth, (0.012, 0.010), (150, 215, 255), 0.06, outline=False))
    return shapes


def _climb(cycle: float, style: Style) -> Pose:
    """A cycle is two steps; the body rises evenly, a foot that stands sinks and falls behind."""
    turn = 2 * np.pi * cycle
    rise, run = 2 * STEP_RISE, 2 * STEP_RUN
    feet = []
    for x, phase in ((0.05, cycle % 1.0), (-0.05, (cycle + 0.5) % 1.0)):
        if phase < 0.55:
            share = 0.5 - phase / 1.0  # height of the step relative to the moving origin
            place = (x, 0.04 + rise * share * 1.0 + 0.02, run * share)
        else:
            t = (phase - 0.55) / 0.45
            share = -0.05 + (0.55) * ease(t)
            place = (x, 0.06 + rise * share + 0.11 * np.sin(np.pi * t), run * share)
        feet.append(place)
    swing = 0.13 * style.amplitude * np.cos(turn)
    return pose(
        (0.0, 0.50 + 0.012 * np.cos(2 * turn), 0.0), (0.2, 0.03 * np.sin(turn), 0.1 * np.cos(turn)),
        left=(0.13, -0.25, 0.08 - swing), right=(-0.13, -0.25, 0.08 + swing),
        left_foot=feet[0], right_foot=feet[1],
    )  # fmt: skip


def _brush(cycle: float, style: Style) -> Pose:
    phase = cycle % 1.0
    down = glide(phase, (0.0, 0.0), (0.6, 1.0), (1.0, 0.0))
    away = np.sin(np.pi * (phase - 0.6) / 0.4) if phase > 0.6 else 0.0
    hand = (
        -0.12 - 0.035 * np.sin(np.pi * down) - 0.09 * away,
        0.17 - 0.25 * down,
        0.05 - 0.03 * down,
    )
    return pose(
        (0.0, 0.523, 0.0), (0.02, -0.05, 0.0), (0.1, 0.2), (0.12, -0.22, 0.1), hand,
        right_elbow=(-1.0, -0.25 + 0.2 * down, 0.15),
    )  # fmt: skip


def _hairbrush(cycle: float, style: Style, joints: Joints) -> Sequence[Shape]:
    grip = joints.fingers[1]
    way = joints.head + joints.crown * (0.02 - 0.16 * glide(cycle % 1.0, (0, 0), (0.6, 1), (1, 0)))
    tip = grip + (way - grip) * 0.75
    return [
        limb(grip, tip, (0.012, 0.012), (170, 40, 90), 0.08),
        limb(grip + (tip - grip) * 0.5, tip, (0.022, 0.022), (170, 40, 90), 0.08),
    ]


ACTIONS_WITH_TOOLS = (
    Action("pullup", _pullup, (1.2, 1.6), (FRONT, QUARTER), fixture="bar", reach=1.38),
    Action("golf", _golf, (1.5, 1.9), (FRONT, QUARTER), _club, reach=1.15),
    Action("swing_baseball", _baseball, (1.15, 1.5), (FRONT, QUARTER), _bat, reach=1.25),
    Action("shoot_bow", _bow_pose, (1.5, 2.0), (FRONT, QUARTER), _bow, reach=1.15),
    Action("shoot_gun", _shoot, (0.4, 0.65), (SIDE, QUARTER), _gun, detail=True),
    Action("pour", _pour, (1.4, 1.9), (FRONT, QUARTER), _jug, "table", detail=True),
    Action(
        "climb_stairs", _climb, (1.0, 1.3), (SIDE, QUARTER), fixture="stairs",
        travel=(2 * STEP_RUN, 2 * STEP_RISE),
    ),
    Action(
        "brush_hair", _brush, (0.75, 1.05), (FRONT,), _hairbrush, detail=True,
        long_hair=True,
    ),
)  # fmt: skip
