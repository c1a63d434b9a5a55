import numpy as np
import pytest

from engine.preprocess import centre_crop, grey, resize


def test_resize_takes_width_first_and_averages_areas():
    image = np.zeros((4, 8, 3), np.uint8)
    image[:2, :2] = [[[10, 0, 0], [20, 0, 0]], [[30, 0, 0], [40, 0, 0]]]
    small = resize(image, (4, 2))
    assert small.shape == (2, 4, 3)
    assert small[0, 0].tolist() == [25, 0, 0]


def test_resize_to_the_same_size_changes_nothing():
    image = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    assert np.array_equal(resize(image, (8, 6)), image)


def test_grey_is_bt601_luma_of_rgb():
    # 0.299 R, 0.587 G, 0.114 B: swapped channels would show.
    image = np.array([[[200, 0, 0], [0, 200, 0], [0, 0, 200]]], np.uint8)
    assert grey(image).tolist() == [[60, 117, 23]]


def test_grey_for_flow_is_the_mean_of_squares():
    image = np.zeros((2, 4, 3), np.uint8)
    image[0, 1] = 40  # grey stays grey: one of four pixels on the left
    image[:, 2:] = 90
    assert grey(image, 2).tolist() == [[10, 90]]
    with pytest.raises(ValueError, match="4x2 px can't be divided by 4"):
        grey(image, 4)


def test_the_crop_is_the_middle_in_both_layouts():
    array = np.arange(5 * 7, dtype=np.uint8).reshape(5, 7)
    middle = [[9, 10, 11], [16, 17, 18], [23, 24, 25]]
    last = centre_crop(np.stack([array] * 3, axis=-1), 3, channels_last=True)
    first = centre_crop(np.stack([array] * 20), 3, channels_last=False)
    assert last.shape == (3, 3, 3)
    assert last[..., 1].tolist() == middle
    assert first.shape == (20, 3, 3)
    assert first[19].tolist() == middle


def test_the_crop_is_a_copy():
    array = np.zeros((4, 4, 3), np.uint8)
    crop = centre_crop(array, 4, channels_last=True)
    array[:] = 1
    assert crop.max() == 0
    assert crop.flags.c_contiguous


def test_a_crop_larger_than_the_picture_is_refused():
    with pytest.raises(ValueError, match="5x5 px out of 7x4 px"):
        centre_crop(np.zeros((4, 7, 3), np.uint8), 5, channels_last=True)
