"""Clips one after the other as a single stream, as a camera that cuts between them would show it.

One epoch, one size: tick n of a clip that starts at tick s is tick s + n of the stream, the window
is never cleared, and flow is that of the grid: between each frame and the one before, across a cut
too.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import cast

import numpy as np

from engine.arrays import U8
from engine.flow.stack import STACK, stack
from training.data.frame_store import StoredClip
from training.data.labelled_streams import Interval

_PAIRS_IN_MEMORY = 2 * STACK  # those of a stack, as ticks are asked for in order


class JoinedClips:
    """Footage made of `clips`, which have one size, and at least one clip.

    pair_at_cut: the last frame [H, W, 3] of one clip and the first of the next -> the flow between
        them as bytes [2, H/p, W/p].
    """

    def __init__(self, clips: Sequence[StoredClip], pair_at_cut: Callable[[U8, U8], U8]) -> None:
        self._clips = list(clips)
        self._starts = [0, *accumulate(clip.ticks for clip in clips)]
        self._pair_at_cut = pair_at_cut
        self._pair = lru_cache(maxsize=_PAIRS_IN_MEMORY)(self._read_pair)

    @property
    def ticks(self) -> int:
        return self._starts[-1]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px."""
        return self._clips[0].size

    @property
    def flow_downsampling(self) -> int:
        """How many times as wide a frame is as the picture that flow was estimated on."""
        return self._clips[0].flow_downsampling

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """One a clip: what is true from its first tick up to the next cut."""
        ends = self._starts[1:]
        return tuple(
            Interval(clip.label, start, end)
            for clip, start, end in zip(self._clips, self._starts, ends, strict=False)
        )

    def frames_at(self, ticks: Sequence[int]) -> U8:
        """The frames of some ticks: [n, H, W, 3] RGB."""
        places = [self._place(tick) for tick in ticks]
        return np.concatenate([self._clips[n].frames_at([tick]) for n, tick in places])

    def stacks_at(self, ticks: Sequence[int]) -> U8:
        """The flow stacks that end at some ticks: [n, 20, H/p, W/p]."""
        return np.stack([self._stack(tick) for tick in ticks])

    def _stack(self, tick: int) -> U8:
        number, inside = self._place(tick)
        # Pair 0 of a clip is the cut; later stacks hold pairs of their own clip alone.
        if number == 0 or inside >= STACK:
            return cast(U8, self._clips[number].stacks_at([inside])[0])
        return stack(self._pair, tick)

    def _read_pair(self, tick: int) -> U8:
        number, inside = self._place(tick)
        clip = self._clips[number]
        if inside == 0 and number > 0:
            before = self._clips[number - 1]
            last, first = before.frames_at([before.ticks - 1])[0], clip.frames_at([0])[0]
            return self._pair_at_cut(last, first)
        return clip.stacks_at([inside])[0, -2:]  # the pair that ends there is a stack's last

    def _place(self, tick: int) -> tuple[int, int]:
        """(number of the clip, tick inside it)."""
        number = bisect_right(self._starts, tick) - 1
        return number, tick - self._starts[number]
