"""Kinematics: bones keep their length, whatever a pose asks for."""

import numpy as np
import pytest

from stream.scene.body import (
    FOREARM,
    SHIN,
    STANDING,
    THIGH,
    TORSO,
    UPPER_ARM,
    between,
    glide,
    pose,
    solve,
    to_torso,
)
from stream.scene.motion import Style
from stream.scene.schedule import ACTION_TABLE


@pytest.mark.parametrize("label", sorted(ACTION_TABLE))
def test_bones_keep_their_length_through_every_action(label: str) -> None:
    action = ACTION_TABLE[label]
    for cycle in np.linspace(0.0, 0.999, 40):
        joints = solve(action.posing(float(cycle), Style(1.15, 0.7)))
        for start, end, length in (
            (joints.shoulders, joints.elbows, UPPER_ARM),
            (joints.elbows, joints.wrists, FOREARM),
            (joints.hips, joints.knees, THIGH),
            (joints.knees, joints.ankles, SHIN),
        ):
            np.testing.assert_allclose(np.linalg.norm(end - start, axis=1), length, atol=1e-6)


@pytest.mark.parametrize("label", sorted(ACTION_TABLE))
def test_an_action_moves_without_a_jump(label: str) -> None:
    """No hand is faster than in the hardest swing, 20 m/s: a slip in the knots would show here."""
    action = ACTION_TABLE[label]
    period_s = action.period_s[0]
    steps = np.arange(0.0, 1.0, 0.01 / period_s)  # every 10 ms
    wrists = [solve(action.posing(float(c), Style(1.0, 0.4))).wrists for c in steps]
    speed = np.linalg.norm(np.diff(wrists, axis=0), axis=2) / 0.01  # figure heights a second
    assert speed.max() < 12.0


def test_a_repeating_action_ends_where_it_begins() -> None:
    for action in ACTION_TABLE.values():
        if not action.once:
            start, end = (solve(action.posing(c, Style(1.0, 0.4))) for c in (0.0, 1.0 - 1e-9))
            np.testing.assert_allclose(start.wrists, end.wrists, atol=1e-3, err_msg=action.label)
            np.testing.assert_allclose(start.ankles, end.ankles, atol=1e-3, err_msg=action.label)


def test_standing_upright_by_hand() -> None:
    joints = solve(pose())
    np.testing.assert_allclose(joints.neck, (0.0, STANDING + TORSO, 0.0))
    np.testing.assert_allclose(joints.ankles[0], (0.06, 0.04, 0.0), atol=1e-9)
    assert joints.knees[0][2] > 0.0  # knees bend forwards
    assert joints.elbows[0][2] < joints.wrists[0][2]  # elbows backwards


def test_leaning_forward_a_right_angle_puts_the_neck_ahead_of_the_pelvis() -> None:
    joints = solve(pose(bend=(np.pi / 2, 0.0, 0.0)))
    np.testing.assert_allclose(joints.neck, (0.0, STANDING, TORSO), atol=1e-12)


def test_a_hand_out_of_reach_is_drawn_in_along_its_direction() -> None:
    joints = solve(pose(left=(5.0, -0.015, 0.0)))
    reach = joints.wrists[0] - joints.shoulders[0]
    assert np.linalg.norm(reach) == pytest.approx(UPPER_ARM + FOREARM, abs=1e-3)
    np.testing.assert_allclose(reach / np.linalg.norm(reach), (1.0, 0.0, 0.0), atol=1e-9)


def test_to_torso_places_a_hand_on_a_point_of_the_body_frame() -> None:
    leaning = pose(pelvis=(0.1, 0.5, -0.1), bend=(0.4, 0.2, -0.3))
    point = solve(leaning).shoulders[0] + (0.1, -0.1, 0.15)
    held = pose(pelvis=(0.1, 0.5, -0.1), bend=(0.4, 0.2, -0.3), left=to_torso(leaning, point))
    np.testing.assert_allclose(solve(held).wrists[0], point, atol=1e-9)


def test_between_passes_through_its_poses_and_halves_midway() -> None:
    low, high = pose(pelvis=(0, 0.4, 0)), pose(pelvis=(0, 0.6, 0))
    knots = ((0.0, low), (0.5, high), (1.0, low))
    heights = [between(x, *knots).pelvis[1] for x in (-1.0, 0.0, 0.25, 0.5, 0.75, 2.0)]
    np.testing.assert_allclose(heights, (0.4, 0.4, 0.5, 0.6, 0.5, 0.4))
    assert glide(0.25, (0.0, 0.0), (0.5, 8.0)) == pytest.approx(4.0)
