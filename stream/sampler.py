"""From a camera's frames to samples: grid, ring, flow, crop.

Everything here depends on the frames and their presentation times alone, so that a stream gives
bit for bit what an offline evaluation of the same grid frames gives.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from engine.arrays import U8
from engine.flow.estimator import FlowEstimator
from engine.flow.quantise import quantise
from engine.flow.stack import STACK, stack
from engine.grid import SECOND_NS, GridSequencer
from engine.manifest import Manifest
from engine.preprocess import centre_crop, grey, resize
from engine.recogniser import Sample
from stream.errors import Reason
from stream.frame import SourceFrame
from stream.region import Point, Region
from stream.ring import Ring
from stream.samples import StreamSample


class Sampler:
    """One camera's way from frames to samples.

    Args:
        camera: its name.
        manifest: the bundle's, for grid, sizes and flow bound.
        flow: the estimator, opened for this camera alone.
        max_gap_s: a longer hole starts a new epoch.
        bound_px: the flow's quantiser bound; by default that of the manifest's entry for `flow`.
        explain: keep the whole frame with each sample.
        region: corners of the part of each frame that is looked at; all of it where that is None.
        wants_flow: asked at each tick; while it says no, flow isn't estimated, and samples have
            none until a whole stack of pairs is there again.
        epoch: the first one's number.
        monotonic_ns: the clock for ages and latencies.

    Attributes:
        epoch: the stream epoch of the newest frame.
        epoch_reason: why it began; None for the first.
        dropped: frames lost so far by cause: "thinned" here, others by `count_dropped`.
        repeated: ticks that had to repeat the frame before, so far.
    """

    def __init__(
        self,
        camera: str,
        manifest: Manifest,
        flow: FlowEstimator,
        max_gap_s: float,
        *,
        bound_px: float | None = None,
        explain: bool = False,
        region: Sequence[Point] | None = None,
        wants_flow: Callable[[], bool] = lambda: True,
        epoch: int = 0,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.camera = camera
        self.epoch = epoch
        self.epoch_reason: Reason | None = None
        self.dropped: dict[str, int] = {"thinned": 0}
        self.repeated = 0
        self._manifest = manifest
        self._flow = flow
        self._bound_px = (
            manifest.flow_entry(flow.name, allow_mismatch=True).bound_px
            if bound_px is None
            else bound_px
        )
        self._explain = explain
        self._region = Region(region, manifest.resize) if region is not None else None
        self._wants_flow = wants_flow
        self._pairs_missing = 0  # of the stack that ends at the newest tick
        self._monotonic_ns = monotonic_ns
        self._max_gap_ns = round(max_gap_s * SECOND_NS)
        self._sequencer = GridSequencer(manifest.grid, max_gap_s)
        self._ring = Ring(manifest.resize, manifest.flow_resize)
        self._newest: SourceFrame | None = None  # the newest grid frame's times; its picture is:
        self._scaled: U8 | None = None  # U8[h,w,3]
        self._grey: U8 | None = None  # U8[h/p,w/p]
        self._tick = 0
        self._arrived_ns = (0, 0)  # of the last two frames
        self._ended_for: Reason | None = None

    def push(self, frame: SourceFrame) -> list[StreamSample]:
        """Takes the next frame; returns the samples that it completes, oldest first.

        That is none for most frames where the bundle samples sparsely, one for a frame on a
        sample's tick, and more when the frame shows that ticks before it had none.
        """
        arrived_ns = self._monotonic_ns()
        # Over two frames: FFmpeg gives a frame out only when the next one begins, so the one before
        # a pause arrives after it.
        waited_ns = arrived_ns - self._arrived_ns[0]
        self._arrived_ns = (self._arrived_ns[1], arrived_ns)
        newest = self._newest
        for cause, frames in frame.lost.items():
            self.count_dropped(cause, frames)
        if frame.new_epoch:
            self.end_epoch(None)
        if newest is not None and (newest.width, newest.height) != (frame.width, frame.height):
            self.end_epoch(Reason.SIZE_CHANGE)
        placement = self._sequencer.place(frame.pts_ns)
        if placement.outcome == "thinned":
            self.count_dropped("thinned", 1)
            return []
        if placement.outcome == "gap":
            self._ended_for = self._cause_of_gap(frame, waited_ns)
            self._begin_epoch()
        elif placement.outcome == "jump":
            self._ended_for = Reason.CLOCK_JUMP
            self._begin_epoch()
        elif placement.outcome == "first" and newest is not None:
            self._begin_epoch()

        samples = self._repeat(placement.repeated, arrived_ns)
        samples += self._add(frame, placement.tick, arrived_ns)
        return samples

    def end_epoch(self, reason: Reason | None) -> None:
        """Whatever comes next begins a new epoch, for this reason."""
        self._sequencer.reset()
        self._ended_for = reason

    def count_dropped(self, cause: str, frames: int) -> None:
        """Enters frames that were lost elsewhere into the account that samples carry."""
        self.dropped[cause] = self.dropped.get(cause, 0) + frames

    def hole_s(self, frame: SourceFrame) -> float:
        """How much time lies between the newest grid frame and this one."""
        if self._newest is None:
            return 0.0
        return (frame.pts_ns - self._newest.pts_ns) / SECOND_NS

    def _cause_of_gap(self, frame: SourceFrame, waited_ns: int) -> Reason:
        if frame.lost.get("late"):
            return Reason.OVERLOAD
        # The camera's clock and ours agree on a real hole; where it alone leaps, it has jumped.
        return Reason.STALL if waited_ns * 2 > self._max_gap_ns else Reason.CLOCK_JUMP

    def _begin_epoch(self) -> None:
        self.epoch += 1
        self.epoch_reason, self._ended_for = self._ended_for, None
        self._ring.clear()
        self._scaled = self._grey = None
        self._pairs_missing = 0

    def _repeat(self, ticks: int, arrived_ns: int) -> list[StreamSample]:
        """Fills ticks that got no frame: the frame before stands still, so its flow is zero."""
        samples: list[StreamSample] = []
        if not ticks:
            return samples
        assert self._newest is not None
        assert self._scaled is not None
        last, first_tick = self._newest, self._tick
        self.repeated += ticks
        for tick in range(first_tick + 1, first_tick + ticks + 1):
            self._has_pair()
            late_ns = round((tick - first_tick) * self._manifest.grid.step_ns)
            self._ring.write(tick, self._scaled, None, last.captured_at_ns + late_ns)
            if self._manifest.grid.is_sample(tick):
                samples.append(self._sample(last, tick, {"captured": arrived_ns}, repeated=True))
        return samples

    def _add(self, frame: SourceFrame, tick: int, arrived_ns: int) -> list[StreamSample]:
        scaled = resize(frame.image(), self._manifest.resize)  # [H,W,3] -> [h,w,3]
        if self._region is not None:
            scaled = self._region.apply(scaled)
        grey_now = grey(scaled, self._manifest.flow_downsampling)
        marks = {"captured": arrived_ns, "decoded": self._monotonic_ns()}
        pair: U8 | None = None
        if self._has_pair() and self._grey is not None:
            # two of [h/p,w/p] -> F32[2,h/p,w/p] -> U8[2,h/p,w/p]
            pair = quantise(self._flow.estimate(self._grey, grey_now), self._bound_px)
        marks["flow"] = self._monotonic_ns()
        self._ring.write(tick, scaled, pair, frame.captured_at_ns)
        self._newest, self._scaled, self._grey, self._tick = frame, scaled, grey_now, tick
        if not self._manifest.grid.is_sample(tick):
            return []
        return [self._sample(frame, tick, marks, repeated=False)]

    def _has_pair(self) -> bool:
        """Whether a tick gets its flow, and the account of what a stack still lacks."""
        wanted = self._wants_flow()
        self._pairs_missing = max(0, self._pairs_missing - 1) if wanted else STACK
        return wanted

    def _sample(
        self, frame: SourceFrame, tick: int, marks: dict[str, int], *, repeated: bool
    ) -> StreamSample:
        size, flow_size = self._manifest.input_size, self._manifest.flow_size
        scaled = self._ring.frame(tick)
        sample = Sample(
            camera=self.camera,
            epoch=self.epoch,
            tick=tick,
            rgb=centre_crop(scaled, size, channels_last=True),  # [h,w,3] -> [S,S,3]
            flow=None
            if self._pairs_missing
            else stack(  # ten of [2,h/p,w/p] -> [20,S/p,S/p]
                lambda j: centre_crop(self._ring.pair(j), flow_size, channels_last=False), tick
            ),
            repeated=repeated,
        )
        return StreamSample(
            sample=sample,
            capture_ns=self._ring.captured_at_ns(tick),
            clock=frame.clock,
            uncertainty_ms=frame.uncertainty_ms,
            monotonic_ns={**marks, "sampled": self._monotonic_ns()},
            truth=frame.truth,
            dropped=dict(self.dropped),
            frame=scaled if self._explain else None,
        )
