import numpy as np

from stream.evidence.blur import CELLS, blurred
from stream.region import Region


def test_what_is_outside_is_blurred_beyond_recognition_and_inside_nothing_changes() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (360, 640, 3), np.uint8)
    left = [(0, 0), (0.5, 0), (0.5, 1), (0, 1)]
    seen = blurred(picture, Region(left, (640, 360)))
    assert (seen[:, :320] == picture[:, :320]).all()
    assert seen[:, 320:].std() < 4  # noise, of which a cell is the mean of 1600 px; 74 before


def test_what_is_blurred_says_no_more_than_its_cells() -> None:
    """Two pictures whose cells have the same means can't be told apart: it can't be undone."""
    cell = 640 // CELLS
    board = np.indices((360, 640)).sum(axis=0) % 2
    one = (100 + 100 * board).astype(np.uint8)
    other = (100 + 100 * (1 - board)).astype(np.uint8)
    assert one[:cell, :cell].mean() == other[:cell, :cell].mean()
    nothing = Region([(0, 0), (0.01, 0), (0, 0.01)], (640, 360))
    difference = blurred(one, nothing).astype(int) - blurred(other, nothing)
    assert np.abs(difference[20:, 20:]).max() == 0
