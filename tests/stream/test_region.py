import re

import numpy as np
import pytest

from stream.region import GREY, Region, problem_with

LEFT_HALF = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]


def test_what_is_outside_becomes_grey_and_the_rest_stays() -> None:
    image = np.random.default_rng(0).integers(0, 100, (6, 8, 3), np.uint8)
    before = image.copy()
    seen = Region(LEFT_HALF, (8, 6)).apply(image)
    assert np.array_equal(seen[:, :4], image[:, :4])
    assert (seen[:, 4:] == GREY).all()
    assert np.array_equal(image, before)


def test_the_whole_picture_is_all_of_it() -> None:
    image = np.zeros((6, 8, 3), np.uint8)
    whole = Region([(0, 0), (1, 0), (1, 1), (0, 1)], (8, 6))
    assert np.array_equal(whole.apply(image), image)


def test_a_triangle_is_half_of_it() -> None:
    seen = Region([(0, 0), (1, 0), (0, 1)], (100, 100)).apply(np.zeros((100, 100, 3), np.uint8))
    assert (seen == 0).mean() == pytest.approx(0.5, abs=0.01)
    assert seen[5, 5, 0] == 0
    assert seen[95, 95, 0] == GREY


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([], "has 0 corners"),
        ([(0.1, 0.1), (0.5, 0.5)], "has 2 corners"),
        ([(0.1, 0.1), (1.5, 0.5), (0.2, 0.9)], r"\[1.5, 0.5\] is outside of the picture"),
        ([(0.1, 0.1), (float("nan"), 0.5), (0.2, 0.9)], "is outside of the picture"),
        ([(0.1, 0.1), (0.5, 0.5), (0.9, 0.9)], "covers less than 0.1%"),
        (
            [(0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)],
            r"crosses itself, where the side \[0.0, 0.0\] to \[1.0, 1.0\] meets the side "
            r"\[1.0, 0.0\] to \[0.0, 1.0\]; give its corners in their order",
        ),
        (
            [(0.1, 0.1), (0.8, 0.1), (0.8, 0.5), (0.5, 0.9), (0.5, 0.0)],
            r"the side \[0.1, 0.1\] to \[0.8, 0.1\] meets the side \[0.5, 0.9\] to \[0.5, 0.0\]",
        ),
    ],
)
def test_a_bad_polygon_gets_a_sentence(points: list[tuple[float, float]], said: str) -> None:
    problem = problem_with(points)
    assert problem is not None
    assert re.search(said, problem)


@pytest.mark.parametrize(
    "points",
    [
        LEFT_HALF,
        [*LEFT_HALF, LEFT_HALF[0]],  # closed
        [(0.1, 0.1), (0.3, 0.3), (0.9, 0.9), (0.6, 0.6), (0.1, 0.7)],  # there and back on a line
        [  # with a hole, to which a cut leads
            (0.0, 0.0), (0.9, 0.0), (0.9, 0.9), (0.0, 0.9), (0.0, 0.0),
            (0.3, 0.3), (0.3, 0.6), (0.6, 0.6), (0.6, 0.3), (0.3, 0.3),
        ],
        [(0.1, 0.1), (0.7, 0.1), (0.3, 0.1), (0.7, 0.8)],
    ],
)  # fmt: skip
def test_a_good_one_is_good(points: list[tuple[float, float]]) -> None:
    assert problem_with(points) is None
