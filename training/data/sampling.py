"""Which ticks of a clip a model sees.

`global`: spread over the whole clip, the paper's protocol. `grid`: every tick up to the clip's
last, as a stream sees them; `rolling_scores` makes the window, so nothing is chosen here.
"""

from __future__ import annotations

import numpy as np


def global_ticks(ticks: int, count: int, rng: np.random.Generator | None = None) -> list[int]:
    """`count` ticks spread over a clip of `ticks`, oldest first.

    The clip is cut into `count` equal parts and one tick taken of each: its centre, or with `rng`
    a random one. A clip shorter than `count` ticks gives some of them twice.
    """
    if ticks < 1 or count < 1:
        raise ValueError(f"ticks and count must be at least 1, instead got {ticks} and {count}")
    inside = np.full(count, 0.5) if rng is None else rng.random(count)
    places = (np.arange(count) + inside) * ticks / count
    return [min(int(place), ticks - 1) for place in places]


def span(ticks: int, longest: int, rng: np.random.Generator) -> tuple[int, int]:
    """A random run of consecutive ticks [first, last + 1) that a stream's window could hold.

    At most `longest` of them. Half of the runs begin at tick 0, as a stream's do at its start: the
    window isn't full yet, and scoring it must be learnt too.
    """
    length = min(ticks, longest)
    if rng.random() < 0.5:
        return 0, int(rng.integers(1, length + 1))
    first = int(rng.integers(0, ticks - length + 1))
    return first, first + length
