"""What features are computed from: a stored clip, or several joined into one stream.

Shapes: n ticks, H W the stored size, S the side of a crop, p the flow's downsampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine.arrays import U8
from training.model.build import Modality


class Footage(Protocol):
    """Frames on the grid from tick 0 on, all of one size, and one flow between them."""

    @property
    def ticks(self) -> int: ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px."""
        ...

    @property
    def flow_downsampling(self) -> int:
        """p: how many times as wide a frame is as the picture that flow was estimated on."""
        ...

    def frames_at(self, ticks: Sequence[int]) -> U8:
        """The frames of some ticks: [n, H, W, 3] RGB."""
        ...

    def stacks_at(self, ticks: Sequence[int]) -> U8:
        """The flow stacks that end at some ticks: [n, 20, H/p, W/p]."""
        ...


class View(Protocol):
    """Where footage is looked at: a crop, or a view from further away."""

    def frames(self, frames: U8, side: int) -> U8:
        """[n, H, W, 3] -> [n, S, S, 3]."""
        ...

    def stacks(self, stacks: U8, side: int) -> U8:
        """[n, 20, H, W] -> [n, 20, S, S]."""
        ...

    def reduced(self, times: int) -> View:
        """The same of a picture reduced to one so-manieth of its width and height."""
        ...


def images_of(
    footage: Footage, modality: Modality, ticks: Sequence[int], crop: View, *, side: int
) -> U8:
    """What a stream's CNN takes of some ticks: frames [n, S, S, 3] or stacks [n, 20, S/p, S/p].

    crop: of the frames. side: S.
    """
    if modality == "rgb":
        return crop.frames(footage.frames_at(ticks), side)
    times = footage.flow_downsampling
    return crop.reduced(times).stacks(footage.stacks_at(ticks), side // times)
