"""Which ticks are seen, by hand."""

import numpy as np
import pytest

from training.data.sampling import global_ticks


def test_global_ticks_are_the_centres_of_equal_parts() -> None:
    assert global_ticks(30, 30) == list(range(30))
    # 6 parts of 2 ticks: [0,2) has its centre at 1, [2,4) at 3, ...
    assert global_ticks(12, 6) == [1, 3, 5, 7, 9, 11]
    # 3 parts of 20/3: centres 3.33, 10, 16.67
    assert global_ticks(20, 3) == [3, 10, 16]


def test_a_short_clip_gives_some_ticks_twice() -> None:
    assert global_ticks(2, 4) == [0, 0, 1, 1]
    assert global_ticks(1, 3) == [0, 0, 0]


def test_random_ticks_stay_in_their_part() -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([global_ticks(40, 4, rng) for _ in range(500)])
    for part in range(4):
        assert set(drawn[:, part]) == set(range(10 * part, 10 * part + 10))


@pytest.mark.parametrize(("ticks", "count"), [(0, 3), (3, 0)])
def test_nothing_to_choose_is_refused(ticks: int, count: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        global_ticks(ticks, count)
