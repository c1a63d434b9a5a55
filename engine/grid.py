"""The grid: where in time the model looks, whatever the camera's own rate and jitter.

A frame with presentation time c belongs to tick round((c - t0) * fps), t0 being the first of its
epoch. The first frame of a tick is its grid frame, later ones are thinned, and a tick without one
repeats the frame before. Every `sample_every`-th tick is a sample. A stream and a file agree
because both come through here, and because the arithmetic is exact: no drift after any number
of days.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

SECOND_NS = 1_000_000_000

Outcome = Literal["first", "placed", "thinned", "gap", "jump"]


class Grid:
    """Ticks at `fps` per second, a sample at ticks 0, sample_every, 2 * sample_every, ..."""

    def __init__(self, fps: float, sample_every: int = 1) -> None:
        if not (math.isfinite(fps) and fps > 0):
            raise ValueError(f"grid_fps must be a rate above zero, not {fps}")
        if sample_every < 1:
            raise ValueError(f"sample_every must be 1 or more, not {sample_every}")
        self.fps = fps
        self.sample_every = sample_every
        # 29.97 is meant as 2997/100, not as the nearest binary fraction.
        self._rate = Fraction(fps).limit_denominator(1_000_000)

    @property
    def step_ns(self) -> Fraction:
        """Length of one step, in nanoseconds."""
        return SECOND_NS / self._rate

    def tick(self, elapsed_ns: int) -> int:
        """The tick nearest to `elapsed_ns` after the epoch's first frame; halves round up."""
        numerator, denominator = self._rate.numerator, self._rate.denominator * SECOND_NS
        return (2 * elapsed_ns * numerator + denominator) // (2 * denominator)

    def elapsed_ns(self, tick: int) -> int:
        """The time of `tick` after the epoch's first frame, to the nearest nanosecond."""
        return math.floor(tick * self.step_ns + Fraction(1, 2))

    def is_sample(self, tick: int) -> bool:
        return tick % self.sample_every == 0


@dataclass(frozen=True)
class Placement:
    """Where a frame went.

    outcome: `first` of the sequence, `placed` at `tick`, or `thinned` (its tick has a frame, or has
        passed: drop it). After `gap` (a hole longer than max_gap_s) and `jump` (time went back by
        more than one step) the frame is tick 0 of a new epoch.
    tick: the frame's tick; for `thinned`, the tick it would have had.
    repeated: how many ticks just before this one got no frame of their own.
    """

    outcome: Outcome
    tick: int
    repeated: int = 0


class GridSequencer:
    """Puts the frames of one camera on the grid, one after the other.

    max_gap_s: the longest hole that is bridged by repeating a frame; None bridges any.
    """

    def __init__(self, grid: Grid, max_gap_s: float | None = None) -> None:
        if max_gap_s is not None and max_gap_s <= 0:
            raise ValueError(f"max_gap_s must be above zero, not {max_gap_s}")
        self.grid = grid
        self._max_gap_ns = None if max_gap_s is None else round(max_gap_s * SECOND_NS)
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next frame is the first."""
        self._start_ns: int | None = None
        self._newest_ns = 0
        self._tick = 0

    def place(self, pts_ns: int) -> Placement:
        """Place the next frame, in order of arrival. pts_ns: its presentation time."""
        if self._start_ns is None:
            return self._begin(pts_ns, "first")
        if self._newest_ns - pts_ns > self.grid.step_ns:
            return self._begin(pts_ns, "jump")
        if self._max_gap_ns is not None and pts_ns - self._newest_ns > self._max_gap_ns:
            return self._begin(pts_ns, "gap")
        self._newest_ns = max(self._newest_ns, pts_ns)
        tick = self.grid.tick(pts_ns - self._start_ns)
        if tick <= self._tick:
            return Placement("thinned", tick)
        repeated = tick - self._tick - 1
        self._tick = tick
        return Placement("placed", tick, repeated)

    def _begin(self, pts_ns: int, outcome: Outcome) -> Placement:
        self._start_ns = self._newest_ns = pts_ns
        self._tick = 0
        return Placement(outcome, 0)


def grid_frames(pts_ns: Sequence[int], grid: Grid) -> list[tuple[int, bool]]:
    """Put a whole clip on the grid.

    Returns one (index of the source frame, repeated) per tick, from tick 0 on.
    Raises ValueError where the times go back by more than one step: such a file is damaged.
    """
    sequencer = GridSequencer(grid)
    frames: list[tuple[int, bool]] = []
    for index, time_ns in enumerate(pts_ns):
        placement = sequencer.place(time_ns)
        if placement.outcome == "jump":
            raise ValueError(
                f"presentation times go backwards at frame {index} (to {time_ns} ns); "
                "write the clip again with rising times"
            )
        if placement.outcome == "thinned":
            continue
        frames.extend((frames[-1][0], True) for _ in range(placement.repeated))
        frames.append((index, False))
    return frames
