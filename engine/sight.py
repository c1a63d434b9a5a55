"""What a camera's sampler sees with: its pictures and flow, in the host's memory or on a device.

A sampler settles where frames lie in time; a sight turns those on the grid into what the CNNs take,
by the same rules wherever it is: resize, region, grey, flow to the frame before, quantise, crop,
stack.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from engine.arrays import U8


class Parts(Protocol):
    """A row of a CNN's input that lies on the device, in parts one behind the other."""

    def addresses(self) -> Sequence[int]:
        """Where they are, once the device has been given what makes them; 0 is no motion."""
        ...


Picture = U8 | Parts


@dataclass(frozen=True, eq=False)
class View:
    """What a sample is made of: rgb [S,S,3]; flow [20,S/p,S/p], or None where that isn't wanted;
    frame: all of it, [h,w,3], where that was asked for.
    """

    rgb: Picture
    flow: Picture | None
    frame: U8 | None = None


class Sight(Protocol):
    """One camera's, for pictures of one size. For one thread; any may close it."""

    def clear(self) -> None:
        """Forget what was seen: a new epoch."""
        ...

    def add(self, tick: int, image: U8, *, with_flow: bool) -> None:
        """A grid frame [H,W,3], with its flow from the one before where there is one in the epoch.
        May wait, until the sight is closed.
        """
        ...

    def repeat(self, tick: int) -> None:
        """A tick without a frame: the one before stands still."""
        ...

    def view(self, tick: int, *, with_flow: bool) -> View:
        """Of the tick that came last."""
        ...

    def close(self) -> None:
        """Nothing more comes; views that were given stay good."""
        ...


class Eyes(Protocol):
    """All cameras' sights on a device."""

    def open(
        self,
        size: tuple[int, int],
        outside: NDArray[Any] | None,
        handed_over: Callable[[], object],
    ) -> Sight:
        """For pictures of `size` (width, height); for any thread.

        outside: bool [h,w], the pixels that may not be seen. handed_over: called after each frame.
        Raises DeviceFull or DeviceFailed.
        """
        ...

    def take_in(self) -> None:
        """Give the device what was handed over until now. For the thread that gives it all else.

        Raises DeviceFull or DeviceFailed.
        """
        ...

    def wait(self) -> None:
        """Until all that was taken in is made."""
        ...

    def close(self) -> None:
        """Give back what this has taken."""
        ...
