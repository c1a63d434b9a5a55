"""What threads make ahead: in order, not too far ahead, errors where they belong."""

import threading
import time
from collections.abc import Iterator

import pytest

from training.data.prefetch import prefetched


@pytest.mark.parametrize("threads", [0, 1, 4])
def test_everything_comes_in_order_however_long_it_takes(threads: int) -> None:
    def make(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number * number

    assert list(prefetched(make, range(20), threads)) == [number**2 for number in range(20)]


def test_it_stays_a_few_items_ahead_of_who_takes_them() -> None:
    asked = []

    def items() -> Iterator[int]:
        for number in range(100):
            asked.append(number)
            yield number

    stream = prefetched(lambda number: number, items(), 2)
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    assert len(asked) == 3 + 2 * 2
    stream.close()  # type: ignore[attr-defined]


def test_an_error_arrives_where_its_item_would_have_and_ends_the_threads() -> None:
    def make(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    stream = prefetched(make, range(10), 2)
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(stream)
    assert not [t for t in threading.enumerate() if t.name.startswith("prefetch")]
