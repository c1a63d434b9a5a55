import numpy as np
import pytest

from engine.flow.stack import STACK, stack, stack_ticks


def test_a_stack_is_the_ten_pairs_that_end_at_its_tick():
    assert stack_ticks(25) == (16, 17, 18, 19, 20, 21, 22, 23, 24, 25)
    assert stack_ticks(10) == (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)


def test_early_on_the_earliest_pair_stands_in_for_the_missing():
    assert stack_ticks(3) == (1, 1, 1, 1, 1, 1, 1, 1, 2, 3)
    assert stack_ticks(1) == (1,) * STACK


def test_at_tick_zero_there_is_no_motion_yet():
    assert stack_ticks(0) == (0,) * STACK


def test_a_tick_before_the_epoch_is_refused():
    with pytest.raises(ValueError, match="start at 0"):
        stack_ticks(-1)


def test_channels_are_x_and_y_in_turn_oldest_first():
    def pair(tick):
        return np.full((2, 2, 3), [[[2 * tick]], [[2 * tick + 1]]], np.uint8)

    channels = stack(pair, 12)
    assert channels.shape == (20, 2, 3)
    assert channels.dtype == np.uint8
    assert channels[:, 0, 0].tolist() == list(range(6, 26))
