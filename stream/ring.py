"""The ring: one camera's last grid frames and flow fields, in memory allocated once."""

from __future__ import annotations

import numpy as np

from engine.arrays import U8
from engine.flow.quantise import ZERO
from engine.flow.stack import STACK
from stream.errors import FrameGone

_NOTHING = -1  # no tick is negative


class Ring:
    """Holds the last `capacity` ticks of one epoch: frame and flow pair of each.

    One writer; a reader asks by tick and gets a copy, or FrameGone. A tick's place is tick modulo
    capacity, so nothing is ever moved or allocated.

    Shapes: frames U8[capacity,h,w,3]; flow U8[capacity,2,fh,fw], pair j ending at tick j.

    Args:
        size, flow_size: width and height of either, in px.
    """

    def __init__(
        self, size: tuple[int, int], flow_size: tuple[int, int], capacity: int = 2 * STACK
    ) -> None:
        if capacity < STACK:
            raise ValueError(f"a ring of {capacity} ticks can't hold a stack of {STACK}")
        (width, height), (flow_width, flow_height) = size, flow_size
        self.capacity = capacity
        self._frames = np.zeros((capacity, height, width, 3), np.uint8)
        self._pairs = np.full((capacity, 2, flow_height, flow_width), ZERO, np.uint8)
        self._ticks = np.full(capacity, _NOTHING, np.int64)

    def write(self, tick: int, frame: U8, pair: U8 | None) -> None:
        """Stores a tick over the oldest one. `pair` None means zero flow: a repeat, or tick 0."""
        place = tick % self.capacity
        self._ticks[place] = _NOTHING  # a reader that comes now is told "gone", not half a frame
        self._frames[place] = frame
        self._pairs[place] = ZERO if pair is None else pair
        self._ticks[place] = tick

    def clear(self) -> None:
        """Forgets every tick: a new epoch."""
        self._ticks[:] = _NOTHING

    def frame(self, tick: int) -> U8:
        """U8[h,w,3] RGB of a tick."""
        place = self._place(tick)
        return self._unchanged(tick, self._frames[place].copy())

    def pair(self, tick: int) -> U8:
        """U8[2,fh,fw] quantised flow from tick - 1 to tick."""
        place = self._place(tick)
        return self._unchanged(tick, self._pairs[place].copy())

    def _place(self, tick: int) -> int:
        place = tick % self.capacity
        if self._ticks[place] != tick:
            raise FrameGone(f"the ring no longer holds tick {tick} (it keeps {self.capacity})")
        return place

    def _unchanged(self, tick: int, copy: U8) -> U8:
        self._place(tick)  # overwritten while it was copied?
        return copy
