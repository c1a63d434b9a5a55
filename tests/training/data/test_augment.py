"""Crops and flips: a mirrored world moves the other way, and nothing else changes."""

import numpy as np
import pytest

from engine.flow.quantise import quantise
from engine.preprocess import centre_crop
from training.data.augment import (
    Crop,
    mirror_stacks,
    random_colours,
    random_crop,
    slow_camera,
    standard_crops,
)

SIZE = (22, 17)


def test_mirrored_flow_is_the_flow_of_the_mirrored_scene_exactly() -> None:
    rng = np.random.default_rng(0)
    flow = rng.uniform(-15, 15, (10, 2, 17, 22)).astype(np.float32)  # some are clipped
    mirrored = flow[..., ::-1].copy()
    mirrored[:, 0] *= -1
    stacked = np.concatenate([quantise(pair, 12.0) for pair in flow])
    expected = np.concatenate([quantise(pair, 12.0) for pair in mirrored])
    np.testing.assert_array_equal(mirror_stacks(stacked), expected)


def test_mirroring_twice_is_nothing() -> None:
    stacks = np.random.default_rng(1).integers(1, 256, (2, 20, 5, 7)).astype(np.uint8)
    np.testing.assert_array_equal(mirror_stacks(mirror_stacks(stacks)), stacks)


def test_the_first_standard_crop_is_the_one_that_streams_use() -> None:
    rng = np.random.default_rng(2)
    frames = rng.integers(0, 256, (2, 17, 22, 3)).astype(np.uint8)
    stacks = rng.integers(1, 256, (2, 20, 17, 22)).astype(np.uint8)
    centre = standard_crops(SIZE, 16)[0]
    for index in range(2):
        expected = centre_crop(frames[index], 16, channels_last=True)
        np.testing.assert_array_equal(centre.frames(frames, 16)[index], expected)
        expected = centre_crop(stacks[index], 16, channels_last=False)
        np.testing.assert_array_equal(centre.stacks(stacks, 16)[index], expected)


def test_the_ten_crops_are_five_places_and_their_mirror_images() -> None:
    crops = standard_crops(SIZE, 16)
    assert len(crops) == 10
    assert [(c.top, c.left) for c in crops[:5]] == [(0, 3), (0, 0), (0, 6), (1, 0), (1, 6)]
    assert [c.mirrored for c in crops] == [False] * 5 + [True] * 5


def test_random_crops_lie_in_the_frame_and_vary() -> None:
    rng = np.random.default_rng(3)
    crops = [random_crop((224, 176), rng) for _ in range(300)]
    assert all(c.top + c.height <= 176 and c.left + c.width <= 224 for c in crops)
    assert {c.height for c in crops} == {176, 154, 132, 116}
    assert {c.mirrored for c in crops} == {False, True}
    assert max(max(c.height, c.width) / min(c.height, c.width) for c in crops) < 1.2


def test_corner_crops_lie_in_four_corners_or_the_centre() -> None:
    rng = np.random.default_rng(3)
    places = set()
    for _ in range(300):
        crop = random_crop((224, 176), rng, crops="corners")
        right, bottom = 224 - crop.width, 176 - crop.height
        assert (crop.left, crop.top) in {
            (0, 0),
            (right, 0),
            (0, bottom),
            (right, bottom),
            (right // 2, bottom // 2),
        }
        if right and bottom:
            places.add((crop.left > 0, crop.top > 0, crop.left == right, crop.top == bottom))
    assert len(places) == 5


def test_one_crop_holds_for_all_frames_of_a_clip() -> None:
    frames = np.random.default_rng(4).integers(0, 256, (1, 17, 22, 3)).astype(np.uint8)
    frames = np.repeat(frames, 3, axis=0)
    cut = Crop(1, 2, 12, 14, mirrored=True).frames(frames, 8)
    assert cut.shape == (3, 8, 8, 3)
    np.testing.assert_array_equal(cut[0], cut[2])


@pytest.mark.parametrize("seed", range(5))
def test_colours_change_but_equal_pixels_stay_equal(seed: int) -> None:
    frames = np.full((2, 4, 4, 3), 90, np.uint8)
    coloured = random_colours(frames, np.random.default_rng(seed))
    assert coloured.dtype == np.uint8
    assert coloured.shape == frames.shape
    assert len(np.unique(coloured.reshape(-1, 3), axis=0)) == 1


def test_a_slow_camera_gives_no_flow_and_then_that_of_both_steps() -> None:
    stacks = np.full((1, 20, 2, 2), 128, np.uint8)
    stacks[:, 0::2] = 131  # x: 3 a step
    stacks[:, 1::2] = 48  # y: -80 a step, twice that is past the bound
    slowed = slow_camera(stacks, rate=0.5, phase=0.0)
    assert slowed[0, 0::2, 0, 0].tolist() == [128, 134] * 5
    assert slowed[0, 1::2, 0, 0].tolist() == [128, 1] * 5
    # In the other rhythm the first pair has its frame, and the newest tick repeats.
    slowed = slow_camera(stacks, rate=0.5, phase=0.5)
    assert slowed[0, 0::2, 0, 0].tolist() == [131, *[128, 134] * 4, 128]
    np.testing.assert_array_equal(slow_camera(stacks, rate=1.0, phase=0.3), stacks)
