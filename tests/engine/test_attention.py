import numpy as np
import pytest

from engine.attention import mask


def test_the_mask_is_what_figure_six_shows() -> None:
    """Upsampled to the picture, as bright as the weight in parts of the largest."""
    attention = np.array([[0.1, 0.1], [0.1, 0.7]], np.float32)
    found = mask(attention, (8, 6))
    assert found.shape == (6, 8)
    assert found[-1, -1] == 1
    assert found[0, 0] == pytest.approx(1 / 7, abs=0.1)
    assert (found >= 0).all()
    even = np.full((2, 2), 0.25, np.float32)
    assert mask(even, (8, 6)) == pytest.approx(np.ones((6, 8)))
