"""A view from further away: small, upright, with copies around it, and slower by as much."""

from dataclasses import replace

import numpy as np

from engine.flow.quantise import ZERO
from training.data.far_view import FURTHEST, NEAREST, FarView, far_view, random_far_view

# A frame of 4x4 px in a square of 4 px that is twice as high: of 2x2 px, in the square's middle.
VIEW = FarView(distance=2.0, left=0.25, top=0.25, mirrored=False, moving=0)


def frames_of(columns: list[int]) -> np.ndarray:
    """[1, 4, 4, 3], each column of one value."""
    return np.tile(np.array(columns, np.uint8)[None, None, :, None], (1, 4, 1, 3))


def stacks_of(x: int, y: int) -> np.ndarray:
    """[1, 20, 4, 4]: the same motion, in steps of the quantised flow, in the left quarter below;
    the rest stands still.
    """
    stacks = np.full((1, 20, 4, 4), ZERO, np.uint8)
    stacks[:, 0::2, 2:, :2] += np.uint8(x)
    stacks[:, 1::2, 2:, :2] += np.uint8(y)
    return stacks


def test_a_frame_is_shrunk_and_mirrored_beside_itself() -> None:
    seen = VIEW.frames(frames_of([10, 20, 30, 40]), 4)
    assert seen.shape == (1, 4, 4, 3)
    # Two columns at a time become one: 15, 35. To its left its mirror image ends with 15, to its
    # right one begins with 35.
    assert seen[0, :, :, 0].tolist() == [[15, 15, 35, 35]] * 4


def test_copies_above_and_below_stand_upright() -> None:
    frame = np.tile(np.array([10, 20, 30, 40], np.uint8)[None, :, None, None], (1, 1, 4, 3))
    # The frame's two rows, 15 and 35, are rows 1 and 2; above them is the end of a copy.
    assert VIEW.frames(frame, 4)[0, :, 0, 0].tolist() == [35, 15, 35, 15]


def test_flow_is_smaller_by_the_distance_and_turned_where_it_is_mirrored() -> None:
    moving = next(
        view
        for view in (replace(VIEW, moving=seed) for seed in range(1000))
        if np.count_nonzero(view.stacks(stacks_of(8, 4), 4)[0, 1] != ZERO) == 4
    )
    seen = moving.stacks(stacks_of(8, 4), 4).astype(int) - ZERO
    # Of the frame's two rows, 1 and 2, the lower one moves at its left, column 1; the copies to the
    # left and the right begin with a mirror image of that. Above and below stand others of them.
    still, moves = [0, 0, 0, 0], [-4, 4, 0, 0]
    assert seen[0, 0].tolist() == [moves, still, moves, still]
    assert seen[0, 1].tolist() == [[2, 2, 0, 0], still, [2, 2, 0, 0], still]
    turned = replace(moving, mirrored=True).stacks(stacks_of(8, 4), 4).astype(int) - ZERO
    assert turned[0, 0].tolist() == [[0, 0, -4, 4], still, [0, 0, -4, 4], still]


def test_a_far_camera_follows_nobody() -> None:
    rng = np.random.default_rng(0)
    stacks = stacks_of(8, 4)
    followed = stacks + rng.integers(-20, 20, (1, 20, 1, 1)).astype(np.uint8)  # the camera's own
    np.testing.assert_array_equal(VIEW.stacks(followed, 4), VIEW.stacks(stacks, 4))


def test_the_frame_itself_always_moves_and_its_copies_half_of_the_time() -> None:
    seen = np.stack(
        [replace(VIEW, moving=seed).stacks(stacks_of(8, 4), 4)[0, 1] for seed in range(400)]
    )
    moves = (seen != ZERO).mean(0)
    assert moves[2, 1] == 1  # the frame's
    assert (abs(moves[[0, 0, 2], [0, 1, 0]] - 0.5) < 0.1).all()
    assert np.count_nonzero(moves) == 4


def test_a_view_to_measure_with_has_the_frame_in_its_middle_and_nothing_else_moves() -> None:
    stacks = np.full((1, 20, 8, 16), ZERO, np.uint8)  # twice as wide as high
    stacks[..., :4] += 40
    seen = far_view((16, 8), 4).stacks(stacks, 32)[0, 0].astype(int) - ZERO
    moves = np.zeros((32, 32), int)
    moves[12:20, 8:12] = 10  # of 32 px of height a quarter, and 40 / 4
    assert seen.tolist() == moves.tolist()


def test_a_mirrored_view_is_the_mirror_image() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 17, 22, 3)).astype(np.uint8)
    view = FarView(distance=1.7, left=0.2, top=0.3, mirrored=False, moving=3)
    mirrored = replace(view, mirrored=True).frames(frames, 32)
    np.testing.assert_array_equal(mirrored, view.frames(frames, 32)[:, :, ::-1])


def test_random_views_hold_the_whole_height_of_the_frame() -> None:
    rng = np.random.default_rng(1)
    views = [random_far_view(rng) for _ in range(500)]
    assert all(NEAREST <= view.distance <= FURTHEST for view in views)
    assert all(0 <= view.top <= 1 - 1 / view.distance for view in views)
    assert {view.mirrored for view in views} == {False, True}
    # Evenly on a logarithmic scale: half of them are nearer than the geometric mean.
    nearer = sum(view.distance < (NEAREST * FURTHEST) ** 0.5 for view in views)
    assert 200 < nearer < 300
