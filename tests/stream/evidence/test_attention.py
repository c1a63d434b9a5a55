"""Where the model looked: remembered by time, and drawn where it belongs."""

import numpy as np
import pytest

from stream.evidence.attention import FRAME, STRONGEST, AttentionRing, draw_attention
from stream.evidence.holds import Holds
from tests.stream.evidence.recorded import at_ns
from tests.stream.synthetic import small_manifest

STEP_S = 0.2


def of(value: float) -> np.ndarray:
    return np.full((2, 2), value, np.float32)


def test_the_sample_nearest_to_a_time_is_found_and_none_further_than_a_step() -> None:
    ring = AttentionRing(Holds(keep_s=10, longest_s=60), step_s=STEP_S)
    assert ring.at(at_ns(0)) is None
    for number in range(5):
        ring.add(at_ns(number * STEP_S), of(number))
    for number, off_s in ((0, 0.0), (2, 0.09), (3, -0.09), (4, 0.19)):
        found = ring.at(at_ns(number * STEP_S + off_s))
        assert found is not None
        assert found[0] == at_ns(number * STEP_S)
        assert found[1][0, 0] == number
    assert ring.at(at_ns(1.1)) is None


def test_an_hour_takes_no_more_memory_than_what_is_kept_and_held() -> None:
    holds = Holds(keep_s=10, longest_s=20)
    ring = AttentionRing(holds, step_s=STEP_S)
    holds.hold("event", at_ns(100))
    for number in range(3600 * 5):
        ring.add(at_ns(number * STEP_S), of(1))
    assert len(ring._maps) <= (10 + 20 + 2) * 5 + 2
    assert ring.at(at_ns(110)) is not None  # of the event
    assert ring.at(at_ns(50)) is None
    holds.release("event")
    for number in range(3600 * 5, 3601 * 5):
        ring.add(at_ns(number * STEP_S), of(1))
    assert ring.at(at_ns(110)) is None


def test_a_clock_that_is_set_back_fills_no_memory() -> None:
    ring = AttentionRing(Holds(keep_s=10, longest_s=20), step_s=STEP_S)
    ring.add(at_ns(36_000), of(1))
    for number in range(600 * 5):
        ring.add(at_ns(number * STEP_S), of(1))
    assert len(ring._maps) <= 12 * 5 + 2


@pytest.mark.parametrize("row", range(4))
@pytest.mark.parametrize("column", range(4))
def test_each_cell_is_drawn_over_its_own_part_of_what_the_model_sees(row: int, column: int) -> None:
    """A picture of 128x96 px, of which the model sees the middle half and two thirds: resized to
    64x48, cropped to 32x32, 4x4 cells of 16x16 px here."""
    attention = np.zeros((4, 4), np.float32)
    attention[row, column] = 1
    picture = np.full((96, 128, 3), 100, np.uint8)
    drawn = draw_attention(picture, attention, small_manifest()).astype(int)
    left, top = 32, 16
    changed = np.abs(drawn - 100).max(axis=2)
    inside = changed[top + 1 : top + 63, left + 1 : left + 63]  # without the frame
    y, x = (int(each) for each in np.argwhere(inside == inside.max()).mean(axis=0).round())
    assert abs(y + 1 - (16 * row + 8)) <= 8
    assert abs(x + 1 - (16 * column + 8)) <= 8
    outside = changed.copy()
    outside[top : top + 64, left : left + 64] = 0
    assert outside.max() == 0
    assert (drawn[top, left : left + 64] == FRAME).all()
    assert (drawn[top : top + 64, left + 63] == FRAME).all()
    assert (picture == 100).all()


def test_the_picture_shines_through_and_where_nothing_was_looked_at_it_is_as_it_was() -> None:
    attention = np.zeros((4, 4), np.float32)
    attention[0, 0] = 0.5
    picture = np.full((96, 128, 3), 200, np.uint8)
    drawn = draw_attention(picture, attention, small_manifest()).astype(int)
    assert (drawn[60:70, 80:90] == 200).all()
    # Where it is largest, at most STRONGEST of the picture is covered.
    assert drawn.min() >= round(200 * (1 - STRONGEST)) - 1
