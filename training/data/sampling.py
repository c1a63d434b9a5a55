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
