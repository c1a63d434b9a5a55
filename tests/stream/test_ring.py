from __future__ import annotations

import numpy as np
import pytest

from stream.errors import FrameGone
from stream.ring import Ring


def filled(ticks: int, capacity: int = 10) -> Ring:
    ring = Ring((4, 3), (4, 3), capacity)
    for tick in range(ticks):
        frame = np.full((3, 4, 3), tick, np.uint8)
        ring.write(tick, frame, np.full((2, 3, 4), 100 + tick, np.uint8))
    return ring


def test_it_keeps_the_last_ticks_and_says_what_is_gone() -> None:
    ring = filled(13)
    for tick in range(3, 13):
        assert ring.frame(tick).shape == (3, 4, 3)
        assert (ring.frame(tick) == tick).all()
        assert (ring.pair(tick) == 100 + tick).all()
    for tick in (0, 2, 13, 22):  # overwritten, and not yet written
        with pytest.raises(FrameGone, match=f"tick {tick} "):
            ring.frame(tick)
        with pytest.raises(FrameGone):
            ring.pair(tick)


def test_a_reader_gets_a_copy() -> None:
    ring = filled(5)
    frame = ring.frame(4)
    ring.write(14, np.zeros((3, 4, 3), np.uint8), None)
    assert (frame == 4).all()


def test_no_flow_is_written_as_zero_flow() -> None:
    ring = filled(5)
    ring.write(5, np.zeros((3, 4, 3), np.uint8), None)
    assert (ring.pair(5) == 128).all()


def test_clear_forgets() -> None:
    ring = filled(5)
    ring.clear()
    with pytest.raises(FrameGone):
        ring.frame(4)


def test_it_must_hold_a_stack() -> None:
    with pytest.raises(ValueError, match="9 ticks"):
        Ring((4, 3), (4, 3), 9)
