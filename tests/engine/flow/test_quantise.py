import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.flow.quantise import ZERO, dequantise, quantise


def test_known_values():
    flow = np.array([-20, -12, -6, 0, 0.05, 6, 12, 20], np.float32)
    # 127 * 6 / 12 = 63.5: halves go to the even neighbour; 127 * 0.05 / 12 = 0.53 rounds to 1.
    assert quantise(flow, 12).tolist() == [1, 1, 64, 128, 129, 192, 255, 255]


flows = st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=30)


@given(flows, st.sampled_from([4.0, 12.0, 20.0]))
def test_a_mirrored_flow_is_256_minus_it(values, bound_px):
    flow = np.array(values, np.float32)
    mirrored = 256 - quantise(flow, bound_px).astype(int)
    assert np.array_equal(quantise(-flow, bound_px), mirrored)


@given(flows, st.sampled_from([4.0, 12.0, 20.0]))
def test_there_and_back_is_half_a_step_off_at_most(values, bound_px):
    flow = np.clip(np.array(values, np.float32), -bound_px, bound_px)
    error_px = np.abs(dequantise(quantise(flow, bound_px), bound_px) - flow)
    assert error_px.max() <= bound_px / 127 / 2 * 1.001


def test_zero_is_exact():
    assert dequantise(np.full((2, 1, 1), ZERO, np.uint8), 12).max() == 0
    assert quantise(np.zeros((2, 3, 3), np.float32), 12) == pytest.approx(ZERO)
