"""What features are computed from: a stored clip, or several joined into one stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine.arrays import U8


class Footage(Protocol):
    """Frames on the grid from tick 0 on, all of one size, and one flow between them."""

    @property
    def ticks(self) -> int: ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px."""
        ...

    def frames_at(self, ticks: Sequence[int]) -> U8:
        """The frames of some ticks: [n, H, W, 3] RGB."""
        ...

    def stacks_at(self, ticks: Sequence[int]) -> U8:
        """The flow stacks that end at some ticks: [n, 20, H, W]."""
        ...
