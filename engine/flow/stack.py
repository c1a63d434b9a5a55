"""The flow stack of a sample: the ten pairs that end at it. A stream can't look ahead.

Pair j is the flow from grid frame j-1 to grid frame j. At the start of an epoch the missing pairs
on the left are the earliest pair there is; at tick 0 there is none, and the flow is zero.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.arrays import U8

STACK = 10  # pairs, so 20 channels: the depth of the paper's (and TSN's) flow stream


def stack_ticks(tick: int) -> tuple[int, ...]:
    """The ticks at which the pairs of the stack at `tick` end, oldest first.

    (0,) * 10 at tick 0, where pair 0 stands for zero flow.
    """
    if tick < 0:
        raise ValueError(f"ticks start at 0, not {tick}")
    earliest = min(1, tick)
    return tuple(max(earliest, tick - STACK + 1 + place) for place in range(STACK))


def stack(pairs: Callable[[int], U8], tick: int) -> U8:
    """Stack quantised flow [2,H,W] by tick -> [20,H,W], ordered x0, y0, x1, y1, ... oldest first.

    pairs: gives the pair that ends at a tick; for tick 0 an array of `quantise.ZERO`.
    """
    return np.concatenate([pairs(pair) for pair in stack_ticks(tick)])
