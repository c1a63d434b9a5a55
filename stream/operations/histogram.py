"""A histogram of durations: cheap to add to, and frozen for whoever reads it."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate

# A prediction of a healthy camera takes some 20 to 100 ms; after 5 s it is news of yesterday.
BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


@dataclass(frozen=True, slots=True)
class HistogramCounts:
    """What was counted until now.

    at_most: how many lasted at most each of `BOUNDS_S`; the last is of all.
    """

    at_most: tuple[int, ...]
    sum_s: float


class Histogram:
    """Counts durations. For one thread."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0

    def observe(self, duration_s: float) -> None:
        """Counts one. A negative one, of a camera whose clock is ahead of ours, counts as 0."""
        duration_s = max(0.0, duration_s)
        self._counts[bisect_left(BOUNDS_S, duration_s)] += 1
        self._sum_s += duration_s

    def counts(self) -> HistogramCounts:
        """A copy that stays as it is."""
        return HistogramCounts(tuple(accumulate(self._counts)), self._sum_s)
