"""Actions of the body, and of lifting and pushing: how each moves, as functions of its cycle."""

# ruff: noqa: ARG001  (all actions share one signature, and not each needs all of it)

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream.scene.body import F64, STANDING, Joints, Pose, between, ease, glide, pose, to_torso
from stream.scene.motion import FRONT, QUARTER, SIDE, Action, Style, seated_pose
from stream.scene.shapes import Shape, box, limb


def _stride(cycle: float, reach: float, lift: float, stance: float) -> tuple[F64, float]:
    """One foot of a gait: (height and place [2], pitch of the toes)."""
    phase = cycle % 1.0
    if phase < stance:
        share = phase / stance
        return np.array((0.04, reach * (1 - 2 * share))), 0.5 * max(0.0, share - 0.7) / 0.3
    share = (phase - stance) / (1 - stance)
    height = 0.04 + lift * np.sin(np.pi * share) ** 1.2
    return np.array((height, reach * (2 * ease(share) - 1))), 0.6 * (1 - share) - 0.15


def _walk(cycle: float, style: Style) -> Pose:
    turn = 2 * np.pi * cycle
    (ly, lz), l_toe = _stride(cycle, 0.17, 0.06, 0.6)
    (ry, rz), r_toe = _stride(cycle + 0.5, 0.17, 0.06, 0.6)
    swing = 0.15 * style.amplitude * np.cos(turn)
    return pose(
        (0.0, 0.508 + 0.012 * np.cos(2 * turn), 0.0),
        (0.06, 0.02 * np.sin(turn), 0.12 * np.cos(turn)),
        left=(0.135, -0.285 + 0.25 * swing**2, 0.03 - swing),
        right=(-0.135, -0.285 + 0.25 * swing**2, 0.03 + swing),
        left_foot=(0.045, ly, lz), right_foot=(-0.045, ry, rz), toes=(l_toe, r_toe),
    )  # fmt: skip


def _run(cycle: float, style: Style) -> Pose:
    turn = 2 * np.pi * cycle
    (ly, lz), l_toe = _stride(cycle, 0.21, 0.2, 0.36)
    (ry, rz), r_toe = _stride(cycle + 0.5, 0.21, 0.2, 0.36)
    swing = 0.17 * style.amplitude * np.cos(turn)
    return pose(
        (0.0, 0.50 + 0.03 * np.cos(2 * turn + 0.6), 0.0), (0.24, 0.0, 0.22 * np.cos(turn)),
        left=(0.11, -0.15 - 0.5 * swing, 0.13 - swing),
        right=(-0.11, -0.15 + 0.5 * swing, 0.13 + swing),
        left_elbow=(0.35, -0.4, -1.0), right_elbow=(-0.35, -0.4, -1.0),
        left_foot=(0.04, ly, lz), right_foot=(-0.04, ry, rz), toes=(l_toe + 0.3, r_toe + 0.3),
    )  # fmt: skip


def _jump(cycle: float, style: Style) -> Pose:
    phase = cycle % 1.0
    up = glide(phase, (0.38, 0.0), (0.58, 0.24 * style.amplitude), (0.8, 0.0))
    crouch = glide(
        phase, (0.0, 0.06), (0.27, 1.0), (0.44, 0.0), (0.76, 0.0), (0.88, 0.75), (1, 0.06)
    )
    arms = glide(phase, (0.0, 0.0), (0.27, -0.5), (0.52, 1.0), (0.7, 0.9), (1.0, 0.0))
    angle = 2.75 * arms
    hand = (-0.29 * np.cos(angle), 0.29 * np.sin(angle))
    tuck = 0.25 * up
    return pose(
        (0.0, STANDING + up - 0.2 * crouch, -0.07 * crouch), (0.75 * crouch, 0.0, 0.0),
        left=(0.15, *hand), right=(-0.15, *hand),
        left_foot=(0.06, 0.04 + up + tuck, 0.0), right_foot=(-0.06, 0.04 + up + tuck, 0.0),
        toes=(2.4 * up, 2.4 * up),
    )  # fmt: skip


def _wave(cycle: float, style: Style) -> Pose:
    swing = np.sin(2 * np.pi * cycle) * 0.15 * style.amplitude
    high = 0.2 + 0.09 * style.variant
    return pose(
        (0.006 * np.sin(2 * np.pi * cycle), 0.523, 0.0), (0.0, -0.04, 0.0), (0.0, -0.1),
        right=(-0.22 + swing, high - 0.6 * abs(swing), 0.06), right_elbow=(-0.9, -0.8, 0.1),
    )  # fmt: skip


def _clap(cycle: float, style: Style) -> Pose:
    apart = 0.012 + 0.155 * style.amplitude * (0.5 - 0.5 * np.cos(2 * np.pi * (cycle + 0.5)))
    high = -0.10 + 0.09 * style.variant
    return pose(
        (0.0, 0.523, 0.0), (0.06, 0.0, 0.0), (0.05, 0.0), (apart, high, 0.21), (-apart, high, 0.21),
        (1.0, -0.7, -0.1), (-1.0, -0.7, -0.1),
    )  # fmt: skip


def _sit(share: float, style: Style) -> Pose:
    down = seated_pose(0.0, style)
    half = pose(
        (0.0, 0.43, -0.14), (0.8, 0.0, 0.0), (0.1, 0.0), (0.13, -0.2, 0.2), (-0.13, -0.2, 0.2),
        left_foot=(0.065, 0.04, 0.02), right_foot=(-0.065, 0.04, 0.02),
    )  # fmt: skip
    # Eased little over the whole, and not at all where the halves meet: the body never rests there.
    t = 0.75 * share + 0.25 * ease(share)
    if t < 0.5:
        return pose().blend(half, t * 2)
    return half.blend(down, t * 2 - 1)


def _stand(share: float, style: Style) -> Pose:
    return _sit(1.0 - share, style)


def _push(cycle: float, style: Style) -> Pose:
    (ly, lz), l_toe = _stride(cycle, 0.13, 0.05, 0.6)
    (ry, rz), r_toe = _stride(cycle + 0.5, 0.13, 0.05, 0.6)
    heave = 0.07 * np.cos(4 * np.pi * cycle)
    base = pose(
        (0.0, 0.47, -0.1), (0.62 + heave, 0.0, 0.0),
        left_foot=(0.05, ly, lz - 0.16), right_foot=(-0.05, ry, rz - 0.16),
        toes=(l_toe + 0.2, r_toe + 0.2), left_elbow=(0.9, -0.7, 0.0), right_elbow=(-0.9, -0.7, 0.0),
    )  # fmt: skip
    hands = np.stack([to_torso(base, (x, 0.56, 0.28)) for x in (0.12, -0.12)])
    return Pose(
        base.pelvis, base.bend, base.head, hands, base.elbows, base.feet, base.knees, base.toes
    )


def _crate(cycle: float, style: Style, joints: Joints) -> Sequence[Shape]:
    top = 0.6 + 0.2 * style.variant
    crate = box((-0.24, 0.0, 0.33), (0.24, top, 0.78), (176, 128, 72))
    planks = [
        limb((x, y, 0.32), (x, y, 0.79), (0.008, 0.008), (120, 82, 44), 0.02, outline=False)
        for x in (-0.245, 0.245)
        for y in (top * 0.33, top * 0.66)
    ]
    return [*crate, *planks]


def _pick(cycle: float, style: Style) -> Pose:
    rest = pose((0, 0.523, 0))
    deep = pose(
        (0.0, 0.42, -0.13), (1.5, 0.0, 0.1), (0.1, 0.0), (0.1, -0.12, 0.14),
        right=(-0.06, -0.3, 0.12), left_foot=(0.07, 0.04, 0.03), right_foot=(-0.07, 0.04, -0.02),
    )  # fmt: skip
    hand = to_torso(deep, (-0.05, 0.1, 0.23))
    down = Pose(
        deep.pelvis, deep.bend, deep.head, np.stack((deep.hands[0], hand)), deep.elbows, deep.feet,
        deep.knees, deep.toes,
    )  # fmt: skip
    held = pose((0, 0.523, 0), head=(0.2, 0), right=(-0.07, -0.15, 0.2))
    return between(cycle % 1.0, (0, rest), (0.38, down), (0.5, down), (0.84, held), (1, rest))


def _picked(cycle: float, style: Style, joints: Joints) -> Sequence[Shape]:
    phase = cycle % 1.0
    middle = joints.fingers[1] if phase > 0.44 else np.array((-0.05, 0.035, 0.24))
    half = np.array((0.04, 0.035, 0.04))
    return box(middle - half, middle + half, (205, 60, 50))


ACTIONS_OF_THE_BODY = (
    Action("walk", _walk, (0.9, 1.2), (SIDE, QUARTER, SIDE, FRONT), travel=(0.34 / 0.6, 0.0)),
    Action("run", _run, (0.52, 0.68), (SIDE, QUARTER, SIDE), travel=(0.42 / 0.36, 0.0)),
    Action("jump", _jump, (0.85, 1.1), reach=1.5),
    Action("wave", _wave, (0.38, 0.62), (FRONT,), reach=1.22),
    Action("clap", _clap, (0.32, 0.5), (FRONT,), detail=True),
    Action("sit", _sit, (1.6, 2.2), fixture="chair", once=True, duration_s=(1.6, 2.2)),
    Action("stand", _stand, (1.6, 2.2), fixture="chair", once=True, duration_s=(1.6, 2.2)),
    Action("push", _push, (1.0, 1.3), (SIDE, QUARTER), _crate, travel=(0.26 / 0.6, 0.0)),
    Action("pick", _pick, (1.6, 2.1), (SIDE, QUARTER, FRONT), _picked),
)
