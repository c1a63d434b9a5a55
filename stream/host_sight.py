"""A camera's sight in the host's memory: its own flow, its own ring."""

from __future__ import annotations

from collections.abc import Sequence

from engine.arrays import U8
from engine.flow.estimator import FlowEstimator
from engine.flow.quantise import quantise
from engine.flow.stack import stack
from engine.manifest import Manifest
from engine.preprocess import centre_crop, grey, resize
from engine.sight import View
from stream.region import Point, Region
from stream.ring import Ring


class HostSight:
    """See `engine.sight.Sight`; for pictures of any size.

    Args:
        manifest: the bundle's, for sizes and flow bound.
        flow: the estimator, opened for this camera alone.
        bound_px: the flow's quantiser bound; by default that of the manifest's entry for `flow`.
        explain: keep the whole frame with each view.
        region: corners of the part of each frame that is looked at; all of it where that is None.
    """

    def __init__(
        self,
        manifest: Manifest,
        flow: FlowEstimator,
        *,
        bound_px: float | None = None,
        explain: bool = False,
        region: Sequence[Point] | None = None,
    ) -> None:
        self._manifest = manifest
        self._flow = flow
        self._bound_px = (
            manifest.flow_entry(flow.name, allow_mismatch=True).bound_px
            if bound_px is None
            else bound_px
        )
        self._explain = explain
        self._region = Region(region, manifest.resize) if region is not None else None
        self._ring = Ring(manifest.resize, manifest.flow_resize)
        self._scaled: U8 | None = None  # U8[h,w,3], of the newest frame
        self._grey: U8 | None = None  # U8[h/p,w/p]

    def clear(self) -> None:
        """See Sight."""
        self._ring.clear()
        self._scaled = self._grey = None

    def add(self, tick: int, image: U8, *, with_flow: bool) -> None:
        """See Sight."""
        scaled = resize(image, self._manifest.resize)  # [H,W,3] -> [h,w,3]
        if self._region is not None:
            scaled = self._region.apply(scaled)
        grey_now = grey(scaled, self._manifest.flow_downsampling)
        pair: U8 | None = None
        if with_flow and self._grey is not None:
            # two of [h/p,w/p] -> F32[2,h/p,w/p] -> U8[2,h/p,w/p]
            pair = quantise(self._flow.estimate(self._grey, grey_now), self._bound_px)
        self._ring.write(tick, scaled, pair)
        self._scaled, self._grey = scaled, grey_now

    def repeat(self, tick: int) -> None:
        """See Sight."""
        assert self._scaled is not None
        self._ring.write(tick, self._scaled, None)

    def view(self, tick: int, *, with_flow: bool) -> View:
        """See Sight."""
        size, flow_size = self._manifest.input_size, self._manifest.flow_size
        scaled = self._ring.frame(tick)
        return View(
            rgb=centre_crop(scaled, size, channels_last=True),  # [h,w,3] -> [S,S,3]
            flow=stack(  # ten of [2,h/p,w/p] -> [20,S/p,S/p]
                lambda j: centre_crop(self._ring.pair(j), flow_size, channels_last=False), tick
            )
            if with_flow
            else None,
            frame=scaled if self._explain else None,
        )

    def close(self) -> None:
        """See Sight."""
