"""A sight in two halves: a capture process resizes, and the daemon's GPU does the rest.

What the sampler asks of the one half (`DistantSight`) is reported and asked of the other
(`Mirror`), in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from engine.arrays import U8
from engine.preprocess import resize
from engine.sight import Sight, View
from stream.processes.reports import Added, Cleared, Repeated, SightCall, Viewed
from stream.region import GREY
from stream.samples import StreamSample


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Stands for a view's pictures in a sample that travels."""

    number: int

    def addresses(self) -> list[int]:
        """See `engine.sight.Parts`; a bug."""
        raise RuntimeError("the pictures of this sample are in another process")


class DistantSight:
    """See `engine.sight.Sight`; in the capture process, for pictures of any size.

    size: (width, height) of the model's scale. outside: bool [h,w], what may not be seen. report:
    takes the calls; may wait.
    """

    def __init__(
        self,
        size: tuple[int, int],
        outside: NDArray[Any] | None,
        report: Callable[[SightCall], object],
    ) -> None:
        self._size, self._outside, self._report = size, outside, report
        self._views = 0

    def clear(self) -> None:
        """See Sight."""
        self._report(Cleared())

    def add(self, tick: int, image: U8, *, with_flow: bool) -> None:
        """See Sight."""
        scaled = resize(image, self._size)  # [H,W,3] -> [h,w,3]
        if self._outside is not None:
            scaled[self._outside] = GREY
        self._report(Added(tick, scaled, with_flow))

    def repeat(self, tick: int) -> None:
        """See Sight."""
        self._report(Repeated(tick))

    def view(self, tick: int, *, with_flow: bool) -> View:
        """See Sight."""
        self._views += 1
        self._report(Viewed(self._views, tick, with_flow))
        pictures = Elsewhere(self._views)
        return View(pictures, pictures if with_flow else None)

    def close(self) -> None:
        """See Sight."""


class DistantEyes:
    """See `engine.sight.Eyes`: one camera's sights, in the capture process."""

    def __init__(self, size: tuple[int, int], report: Callable[[SightCall], object]) -> None:
        self._size, self._report = size, report

    def open(
        self,
        size: tuple[int, int],  # noqa: ARG002  any is resized
        outside: NDArray[Any] | None,
        handed_over: Callable[[], object],  # noqa: ARG002  the daemon's half calls its own
    ) -> DistantSight:
        """See Eyes."""
        return DistantSight(self._size, outside, self._report)

    def take_in(self) -> None:
        """See Eyes."""

    def wait(self) -> None:
        """See Eyes."""

    def close(self) -> None:
        """See Eyes."""


class Mirror:
    """The daemon's half. sight: where pictures become what the CNNs take."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        self._views: dict[int, View] = {}  # by number, of samples that are still to come

    def call(self, call: SightCall) -> None:
        """Does what was reported. May wait, until it is closed."""
        if isinstance(call, Added):
            self._sight.add(call.tick, call.image, with_flow=call.with_flow)
        elif isinstance(call, Viewed):
            self._views[call.number] = self._sight.view(call.tick, with_flow=call.with_flow)
        elif isinstance(call, Repeated):
            self._sight.repeat(call.tick)
        else:
            self._sight.clear()

    def completed(self, sample: StreamSample) -> StreamSample:
        """A sample with its pictures; the views before it will not be asked for."""
        pictures = sample.sample.rgb
        assert isinstance(pictures, Elsewhere)
        view = self._views[pictures.number]
        self._views = {n: each for n, each in self._views.items() if n > pictures.number}
        return replace(sample, sample=replace(sample.sample, rgb=view.rgb, flow=view.flow))

    def begin_anew(self) -> None:
        """Another process goes on with the camera."""
        self._views.clear()
        self._sight.clear()

    def close(self) -> None:
        """Nothing more comes."""
        self._sight.close()
