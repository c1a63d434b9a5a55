"""From a camera's frames to samples: where they lie in time, and what a sight makes of them.

Everything here depends on the frames and their presentation times alone, so that a stream gives
bit for bit what an offline evaluation of the same grid frames gives (where the sight is the host's;
on a GPU what is resized may differ by 1 of 255).
"""

from __future__ import annotations

import time
from collections.abc import Callable

from engine.flow.stack import STACK
from engine.grid import SECOND_NS, GridSequencer
from engine.manifest import Manifest
from engine.recogniser import Sample
from engine.sight import Sight
from stream.errors import Reason
from stream.frame import SourceFrame
from stream.samples import StreamSample

OpenSight = Callable[[tuple[int, int]], Sight]  # for pictures of (width, height)


class Sampler:
    """One camera's way from frames to samples.

    Args:
        camera: its name.
        manifest: the bundle's, for the grid.
        open_sight: opens this camera's; asked with the first frame, and with one of another size.
        max_gap_s: a longer hole starts a new epoch.
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
        open_sight: OpenSight,
        max_gap_s: float,
        *,
        wants_flow: Callable[[], bool] = lambda: True,
        epoch: int = 0,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.camera = camera
        self.epoch = epoch
        self.epoch_reason: Reason | None = None
        self.dropped: dict[str, int] = {"thinned": 0}
        self.repeated = 0
        self._grid = manifest.grid
        self._open_sight = open_sight
        self._sight: Sight | None = None
        self._sees: tuple[int, int] | None = None  # width and height that the sight is for
        self._closed = False
        self._wants_flow = wants_flow
        self._pairs_missing = 0  # of the stack that ends at the newest tick
        self._monotonic_ns = monotonic_ns
        self._max_gap_ns = round(max_gap_s * SECOND_NS)
        self._sequencer = GridSequencer(self._grid, max_gap_s)
        self._newest: SourceFrame | None = None  # the newest grid frame
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

    def close(self) -> None:
        """Nothing more comes, and a push that waits goes on. For any thread."""
        self._closed = True
        if self._sight is not None:
            self._sight.close()

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
        if self._sight is not None:
            self._sight.clear()
        self._pairs_missing = 0

    def _repeat(self, ticks: int, arrived_ns: int) -> list[StreamSample]:
        """Fills ticks that got no frame: the frame before stands still, so its flow is zero."""
        samples: list[StreamSample] = []
        if not ticks:
            return samples
        assert self._newest is not None
        assert self._sight is not None
        last, first_tick = self._newest, self._tick
        self.repeated += ticks
        for tick in range(first_tick + 1, first_tick + ticks + 1):
            self._has_pair()
            self._sight.repeat(tick)
            if self._grid.is_sample(tick):
                late_ns = round((tick - first_tick) * self._grid.step_ns)
                capture_ns = last.captured_at_ns + late_ns
                samples.append(self._sample(last, tick, capture_ns, arrived_ns, repeated=True))
        return samples

    def _add(self, frame: SourceFrame, tick: int, arrived_ns: int) -> list[StreamSample]:
        with_flow = self._has_pair()
        self._sight_for((frame.width, frame.height)).add(tick, frame.image(), with_flow=with_flow)
        self._newest, self._tick = frame, tick
        if not self._grid.is_sample(tick):
            return []
        return [self._sample(frame, tick, frame.captured_at_ns, arrived_ns, repeated=False)]

    def _sight_for(self, size: tuple[int, int]) -> Sight:
        """The camera's sight for pictures of a size, which only changes between epochs."""
        if self._sight is None or self._sees != size:
            before, self._sight = self._sight, self._open_sight(size)
            self._sees = size
            if before is not None and before is not self._sight:
                before.close()
            if self._closed:  # while it was opened
                self._sight.close()
        return self._sight

    def _has_pair(self) -> bool:
        """Whether a tick gets its flow, and the account of what a stack still lacks."""
        wanted = self._wants_flow()
        self._pairs_missing = max(0, self._pairs_missing - 1) if wanted else STACK
        return wanted

    def _sample(
        self, frame: SourceFrame, tick: int, capture_ns: int, arrived_ns: int, *, repeated: bool
    ) -> StreamSample:
        assert self._sight is not None
        view = self._sight.view(tick, with_flow=not self._pairs_missing)
        return StreamSample(
            sample=Sample(
                camera=self.camera,
                epoch=self.epoch,
                tick=tick,
                rgb=view.rgb,
                flow=view.flow,
                repeated=repeated,
            ),
            capture_ns=capture_ns,
            clock=frame.clock,
            uncertainty_ms=frame.uncertainty_ms,
            monotonic_ns={"captured": arrived_ns, "sampled": self._monotonic_ns()},
            truth=frame.truth,
            dropped=dict(self.dropped),
            frame=view.frame,
        )
