"""The body: a pose, its blending, and the kinematics that turn it into joints.

Unit of length: the figure's height. Body frame: the origin lies on the ground between the feet,
x to the figure's left, y up, z to where it faces. Torso frame: the origin lies at the base of
the neck, turned with the torso. Arms and legs are two-bone chains of fixed length; a pose states
where their ends are and to which side they bend, and the joints follow in closed form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

TORSO = 0.29
HEAD_ABOVE_NECK = 0.092
HALF_SHOULDERS, HALF_HIPS = 0.108, 0.05
UPPER_ARM, FOREARM, HAND = 0.165, 0.145, 0.055
THIGH, SHIN, FOOT = 0.25, 0.245, 0.10
STANDING = 0.528  # height of the pelvis

LEFT, RIGHT = 0, 1
SIDES = (1.0, -1.0)  # sign of x


@dataclass(frozen=True)
class Pose:
    """Where the body's ends are. Angles in radians.

    pelvis [3] body frame; bend [3]: pitch forward, roll to the left, twist to the left;
    head [2]: pitch down, yaw to the left; hands [2,3] wrists, torso frame; elbows [2,3] and
    knees [2,3]: the direction of the bend (torso and body frame); feet [2,3] ankles, body
    frame; toes [2] pitch down. Row 0 is the left side.
    """

    pelvis: F64
    bend: F64
    head: F64
    hands: F64
    elbows: F64
    feet: F64
    knees: F64
    toes: F64

    def blend(self, other: Pose, weight: float) -> Pose:
        """The pose `weight` of the way (0..1) to `other`."""
        keep = 1.0 - weight
        return Pose(
            keep * self.pelvis + weight * other.pelvis,
            keep * self.bend + weight * other.bend,
            keep * self.head + weight * other.head,
            keep * self.hands + weight * other.hands,
            keep * self.elbows + weight * other.elbows,
            keep * self.feet + weight * other.feet,
            keep * self.knees + weight * other.knees,
            keep * self.toes + weight * other.toes,
        )


Point = Sequence[float] | F64


def pose(
    pelvis: Point = (0.0, STANDING, 0.0),
    bend: Point = (0.0, 0.0, 0.0),
    head: Point = (0.0, 0.0),
    left: Point = (0.145, -0.295, 0.03),
    right: Point = (-0.145, -0.295, 0.03),
    left_elbow: Point = (0.5, -0.5, -0.8),
    right_elbow: Point = (-0.5, -0.5, -0.8),
    left_foot: Point = (0.06, 0.04, 0.0),
    right_foot: Point = (-0.06, 0.04, 0.0),
    knees_out: float = 0.15,
    toes: Point = (0.0, 0.0),
) -> Pose:
    """A pose; what isn't given is as in standing upright with hanging arms."""
    return Pose(
        np.array(pelvis, np.float64),
        np.array(bend, np.float64),
        np.array(head, np.float64),
        np.array((left, right), np.float64),
        np.array((left_elbow, right_elbow), np.float64),
        np.array((left_foot, right_foot), np.float64),
        np.array(((knees_out, 0.0, 1.0), (-knees_out, 0.0, 1.0)), np.float64),
        np.array(toes, np.float64),
    )


def ease(x: float) -> float:
    """Smooth step from 0 to 1, flat at both ends."""
    x = min(max(x, 0.0), 1.0)
    return x * x * (3.0 - 2.0 * x)


def glide(x: float, *knots: tuple[float, float]) -> float:
    """The value at `x` of a smooth curve through (position, value) knots, flat at each."""
    if x <= knots[0][0]:
        return knots[0][1]
    for (x0, y0), (x1, y1) in pairwise(knots):
        if x < x1:
            return y0 + (y1 - y0) * ease((x - x0) / (x1 - x0))
    return knots[-1][1]


def between(x: float, *knots: tuple[float, Pose]) -> Pose:
    """The pose at `x` between (position, pose) knots, eased at each."""
    if x <= knots[0][0]:
        return knots[0][1]
    for (x0, p0), (x1, p1) in pairwise(knots):
        if x < x1:
            return p0.blend(p1, ease((x - x0) / (x1 - x0)))
    return knots[-1][1]


def torso_rotation(bend: F64) -> F64:
    """[3,3]: torso frame to body frame; twist about the spine, then roll, then pitch."""
    (cp, cr, ct), (sp, sr, st) = np.cos(bend), np.sin(bend)
    pitch = np.array(((1, 0, 0), (0, cp, -sp), (0, sp, cp)))
    roll = np.array(((cr, sr, 0), (-sr, cr, 0), (0, 0, 1)))
    twist = np.array(((ct, 0, st), (0, 1, 0), (-st, 0, ct)))
    return np.asarray(pitch @ roll @ twist, np.float64)


def to_torso(body_pose: Pose, point: Point) -> F64:
    """A body-frame point in the torso frame of `body_pose`, for hands that hold on to something."""
    rotation = torso_rotation(body_pose.bend)
    neck = body_pose.pelvis + rotation[:, 1] * TORSO
    return np.asarray(rotation.T @ (np.asarray(point, np.float64) - neck), np.float64)


@dataclass(frozen=True)
class Joints:
    """Joint positions in the body frame; those with two rows are (left, right)."""

    pelvis: F64  # [3]
    neck: F64  # [3]
    head: F64  # [3]
    facing: F64  # [3], unit vector out of the face
    crown: F64  # [3], unit vector out of the top of the head
    torso: F64  # [3,3], torso frame to body frame
    shoulders: F64  # [2,3]
    elbows: F64
    wrists: F64
    fingers: F64
    hips: F64
    knees: F64
    ankles: F64
    toes: F64


def _chain(start: F64, end: F64, upper: float, lower: float, side: F64) -> tuple[F64, F64]:
    """Two-bone chains [2,3]: (middle joints, ends); an end out of reach is drawn in."""
    reach = end - start
    length = np.linalg.norm(reach, axis=1, keepdims=True)
    along = reach / np.maximum(length, 1e-9)
    length = np.clip(length, abs(upper - lower) + 1e-3, upper + lower - 1e-4)
    foot = (upper**2 - lower**2 + length**2) / (2 * length)  # law of cosines
    height = np.sqrt(np.maximum(upper**2 - foot**2, 0.0))
    across = side - np.sum(side * along, axis=1, keepdims=True) * along
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
    return start + along * foot + across * height, start + along * length


def solve(body_pose: Pose) -> Joints:
    """Forward and inverse kinematics of a pose."""
    rotation = torso_rotation(body_pose.bend)
    pelvis = body_pose.pelvis
    neck = pelvis + rotation[:, 1] * TORSO
    offset = np.array(((HALF_SHOULDERS, -0.015, 0.0), (-HALF_SHOULDERS, -0.015, 0.0)))
    shoulders = neck + offset @ rotation.T
    hands = neck + body_pose.hands @ rotation.T
    elbows, wrists = _chain(shoulders, hands, UPPER_ARM, FOREARM, body_pose.elbows @ rotation.T)
    forearm = (wrists - elbows) / FOREARM

    hips = pelvis + np.array(((HALF_HIPS, 0.0, 0.0), (-HALF_HIPS, 0.0, 0.0)))
    knees, ankles = _chain(hips, body_pose.feet, THIGH, SHIN, body_pose.knees)
    drop = body_pose.toes
    sole = np.stack((0.25 * np.array(SIDES), -np.sin(drop), np.cos(drop)), axis=1)
    sole[:, 1] -= 0.12

    nod, turn = body_pose.head
    look = np.array((np.sin(turn) * np.cos(nod), -np.sin(nod), np.cos(turn) * np.cos(nod)))
    up = np.array((np.sin(turn) * np.sin(nod), np.cos(nod), np.cos(turn) * np.sin(nod)))
    # The head follows half of the torso's bend: people look ahead when they lean.
    level = torso_rotation(body_pose.bend * np.array((0.45, 0.6, 0.8)))
    crown = level @ up
    return Joints(
        pelvis=pelvis,
        neck=neck,
        head=neck + rotation[:, 1] * 0.03 + crown * (HEAD_ABOVE_NECK - 0.03),
        facing=level @ look,
        crown=crown,
        torso=rotation,
        shoulders=shoulders,
        elbows=elbows,
        wrists=wrists,
        fingers=wrists + forearm * HAND,
        hips=hips,
        knees=knees,
        ankles=ankles,
        toes=ankles + sole * FOOT,
    )
