"""From frames to scores: a sample of any cameras through CNN and lanes, in both streams.

Whoever runs the graphs holds what cameras carry from sample to sample: in the host's memory, where
any device's runners will do, or on the device (`engine.tensorrt.resident`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np

from engine.arrays import F32, U8
from engine.flow.estimator import FlowParameter
from engine.lanes import Lanes, Window, lane_step
from engine.manifest import Manifest
from engine.runners.runner import Runner
from engine.sight import Eyes, Picture

STREAMS = ("rgb", "flow")

Windows = Mapping[str, Sequence[Window]]  # by stream; every one is of the pipeline that has them


@dataclass(frozen=True, eq=False)
class Seen:
    """attention: by stream, where each row was looked at, [B,h,w]. stage_ms: rgb, flow (the CNNs),
    head.
    """

    attention: Mapping[str, F32]
    stage_ms: Mapping[str, float]


class Pipeline(Protocol):
    """For one thread at a time."""

    def begin(self, stream: str) -> Window:
        """The window of a camera's stream, before its first sample."""
        ...

    def end(self, window: Window) -> None:
        """Nothing more enters it."""
        ...

    def step(self, windows: Windows, frames: Mapping[str, Sequence[Picture]]) -> Seen:
        """One sample for each of the windows: frames[s][b] is windows[s][b]'s.

        Raises RunnerError where a graph fails.
        """
        ...

    def enter(self, windows: Windows, features: Mapping[str, F32] | None = None) -> None:
        """A lane step alone, for features [B,D] by stream; None: for each one's newest again.

        Raises RunnerError where a graph fails.
        """
        ...

    def close(self) -> None:
        """Give back what it has taken; the graphs are its caller's."""
        ...


class DevicePipeline(Pipeline, Protocol):
    """One that takes pictures where they lie on its device, too."""

    def open_eyes(
        self,
        manifest: Manifest,
        parameters: Mapping[str, FlowParameter],
        *,
        bound_px: float,
        hidden: int,
        lag: int,
        progress: Callable[[str], None],
    ) -> Eyes:
        """What makes them there of cameras' frames, with flow tvl1; it closes with the pipeline.

        hidden: what the pixels become that may not be seen. lag: how many frames may have come
        after a sample's own before a step takes it. progress: told how far from the host's they
        are.

        Raises FlowMismatch, DeviceMissing, DeviceFull, DeviceFailed or EngineDrift.
        """
        ...


class HostPipeline:
    """Each graph runs by itself, from the host's memory and back to it.

    cnns, heads: by stream.
    """

    def __init__(
        self, manifest: Manifest, cnns: Mapping[str, Runner], heads: Mapping[str, Runner]
    ) -> None:
        self._manifest, self._cnns, self._heads = manifest, cnns, heads

    def begin(self, stream: str) -> Window:  # noqa: ARG002  (both streams' windows are alike)
        """See Pipeline."""
        return Lanes.of(self._manifest)

    def end(self, window: Window) -> None:
        """See Pipeline."""

    def step(self, windows: Windows, frames: Mapping[str, Sequence[Picture]]) -> Seen:
        """See Pipeline."""
        features: dict[str, F32] = {}
        attention: dict[str, F32] = {}
        marks_ns = [time.perf_counter_ns()]
        for stream in STREAMS:
            if frames[stream]:
                batch = np.stack(cast("Sequence[U8]", frames[stream]))
                found = self._cnns[stream].run({"frames": batch})
                features[stream], attention[stream] = found["features"], found["attention"]
            marks_ns.append(time.perf_counter_ns())
        self.enter({stream: windows[stream] for stream in features}, features)
        marks_ns.append(time.perf_counter_ns())
        took_ms = np.diff(marks_ns) / 1e6
        return Seen(attention, dict(zip((*STREAMS, "head"), map(float, took_ms), strict=True)))

    def enter(self, windows: Windows, features: Mapping[str, F32] | None = None) -> None:
        """See Pipeline."""
        for stream, of_stream in windows.items():
            lanes = cast("Sequence[Lanes]", of_stream)
            if lanes:
                newest = (
                    np.concatenate([each.feature for each in lanes])
                    if features is None
                    else features[stream]
                )
                lane_step(self._heads[stream], lanes, newest)

    def close(self) -> None:
        """See Pipeline."""
