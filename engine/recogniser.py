"""The recogniser: samples of any cameras in, what is going on there out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from engine.arrays import F32
from engine.bundle import Bundle
from engine.calibration import abstains, fuse, rgb_alone
from engine.graphs import Graphs
from engine.pipeline import Pipeline
from engine.sight import Eyes, Picture


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample of one camera, at model scale.

    rgb [S,S,3]; flow [20,S,S], the stack that ends at this tick, or None where RGB alone is to be
    looked at. Either may lie on the device, where the recogniser has eyes there. repeated: the grid
    had no frame of its own here. shed_before: samples lost to overload right before this one.
    """

    camera: str
    epoch: int
    tick: int
    rgb: Picture
    flow: Picture | None
    repeated: bool = False
    shed_before: int = 0


@dataclass(frozen=True, eq=False)
class Recognition:
    """What a camera's window says at a sample.

    probabilities, p_rgb, p_flow [C]: fused, and of either stream. p_flow is None, and RGB speaks
        alone, as long as a sample of the window came without flow.
    temporal_attention [N·k]: mean of the streams that speak, oldest first, each segment summing to
        1; a window that isn't full has zeros in front.
    spatial_rgb, spatial_flow [h,w]: where either stream looked in the newest frame; sums to 1.
        spatial_flow is None where p_flow is.
    fill: how much of the window there is, 0..1. complete: all of it, and nothing shed.
    repeated: samples of the window without a picture of their own, shed ones too.
    shed: those of them that were lost to overload.
    abstain: the best probability is below the bundle's threshold. entropy: in nats.
    stage_ms: what the batch took: rgb, flow (the CNNs), head.
    """

    camera: str
    epoch: int
    tick: int
    probabilities: F32
    p_rgb: F32
    p_flow: F32 | None
    temporal_attention: F32
    spatial_rgb: F32
    spatial_flow: F32 | None
    fill: float
    complete: bool
    repeated: int
    shed: int
    abstain: bool
    entropy: float
    stage_ms: dict[str, float]


class Recogniser:
    """Knows every camera's windows and runs their samples together. For one thread.

    A camera's numbers don't depend on which others share a batch with it.

    eyes: what makes pictures on the device, where any are made there.
    """

    def __init__(self, bundle: Bundle, graphs: Graphs, eyes: Eyes | None = None) -> None:
        self._manifest = bundle.manifest
        self._graphs, self._eyes = graphs, eyes
        self._pipeline = graphs.pipeline(bundle.manifest)
        self._cameras: dict[str, _Camera] = {}

    @property
    def batches(self) -> tuple[int, ...]:
        """The batch sizes that its graphs were compiled for, rising."""
        return self._graphs.batches

    def take_in(self) -> None:
        """Begin on the frames that have come to the device, samples or not; never waits for them.

        Raises RunnerError where that fails.
        """
        if self._eyes is not None:
            self._eyes.take_in()

    def step(self, samples: Sequence[Sample]) -> list[Recognition]:
        """Take one new sample each of some cameras; one recognition a sample, in their order.

        A camera that shows a new epoch starts from nothing.
        Raises ValueError where a camera comes twice, RunnerError where a graph fails.
        """
        if not samples:
            return []
        if len({sample.camera for sample in samples}) < len(samples):
            raise ValueError("a camera may have one sample in a step, and one here has more")
        self.take_in()  # theirs may be among what has just come
        cameras = [self._camera(sample) for sample in samples]
        has_flow = [i for i, sample in enumerate(samples) if sample.flow is not None]
        began_ns = time.perf_counter_ns()
        self._reenter_shed(samples, cameras)
        reentry_ms = (time.perf_counter_ns() - began_ns) / 1e6
        for camera, sample in zip(cameras, samples, strict=True):
            camera.remember(_REPEATED if sample.repeated else _FRESH)
        seen = self._pipeline.step(
            {
                "rgb": [camera.rgb for camera in cameras],
                "flow": [cameras[i].flow for i in has_flow],
            },
            {
                "rgb": [sample.rgb for sample in samples],
                "flow": [sample.flow for sample in samples if sample.flow is not None],
            },
        )
        stage_ms = {**seen.stage_ms, "head": seen.stage_ms["head"] + reentry_ms}
        spatial_rgb = seen.attention["rgb"]
        spatial_flow = dict(zip(has_flow, seen.attention.get("flow", ()), strict=True))
        answers = self._answers(cameras)
        return [
            self._recognition(
                sample, camera, answers[i], spatial_rgb[i], spatial_flow.get(i), stage_ms
            )
            for i, (sample, camera) in enumerate(zip(samples, cameras, strict=True))
        ]

    def forget(self, camera: str) -> None:
        """Drop a camera's state; unknown names are fine."""
        if (known := self._cameras.pop(camera, None)) is not None:
            known.end()

    def _camera(self, sample: Sample) -> _Camera:
        camera = self._cameras.get(sample.camera)
        if camera is None or camera.epoch != sample.epoch:
            self.forget(sample.camera)
            camera = _Camera(sample.epoch, self._manifest.window_samples, self._pipeline)
            self._cameras[sample.camera] = camera
        if sample.flow is None:
            camera.forget_flow()
        return camera

    def _reenter_shed(self, samples: Sequence[Sample], cameras: Sequence[_Camera]) -> None:
        """Each shed sample repeats the camera's last feature: no window stretches in time."""
        window = self._manifest.window_samples
        left: list[int] = []
        for sample, camera in zip(samples, cameras, strict=True):
            # What an epoch lost before its first sample is before the window: nothing to repeat.
            shed = sample.shed_before if camera.rgb.samples else 0
            # After a whole window of repeats, more of them change nothing.
            camera.skip(max(0, shed - window))
            left.append(min(shed, window))
        while any(left):
            shedding = [camera for camera, count in zip(cameras, left, strict=True) if count]
            for camera in shedding:
                camera.remember(_SHED)
            self._pipeline.enter(
                {
                    "rgb": [camera.rgb for camera in shedding],
                    "flow": [camera.flow for camera in shedding if camera.flow.samples],
                }
            )
            left = [max(0, count - 1) for count in left]

    def _answers(self, cameras: Sequence[_Camera]) -> list[_Answer]:
        """Each camera's, all of them computed at once: row by row would take longer than a GPU."""
        scores = np.stack([camera.rgb.scores() for camera in cameras])
        both = [i for i, camera in enumerate(cameras) if camera.has_both]
        alone = [i for i, camera in enumerate(cameras) if not camera.has_both]
        answers: dict[int, _Answer] = {}
        if both:
            flow = np.stack([cameras[i].flow.scores() for i in both])
            found = fuse(scores[both], flow, self._manifest.calibration)
            rows = zip(found.fused, found.rgb, found.flow, found.entropy.tolist(), strict=True)
            answers |= {i: _Answer(*row) for i, row in zip(both, rows, strict=True)}
        if alone:
            p, entropy = rgb_alone(scores[alone], self._manifest.calibration)
            rows_alone = zip(p, entropy.tolist(), strict=True)
            for i, (row, nats) in zip(alone, rows_alone, strict=True):
                answers[i] = _Answer(row, row, None, nats)
        return [answers[i] for i in range(len(cameras))]

    def _recognition(
        self,
        sample: Sample,
        camera: _Camera,
        answer: _Answer,
        spatial_rgb: F32,
        spatial_flow: F32 | None,
        stage_ms: dict[str, float],
    ) -> Recognition:
        manifest = self._manifest
        temporal = camera.rgb.temporal_attention()
        if answer.flow is None:
            spatial_flow = None
        else:
            temporal = (temporal + camera.flow.temporal_attention()) / np.float32(2)
        fill = min(camera.rgb.samples, manifest.window_samples) / manifest.window_samples
        shed = camera.window.count(_SHED)
        return Recognition(
            camera=sample.camera,
            epoch=sample.epoch,
            tick=sample.tick,
            probabilities=answer.fused,
            p_rgb=answer.rgb,
            p_flow=answer.flow,
            temporal_attention=temporal,
            spatial_rgb=spatial_rgb,
            spatial_flow=spatial_flow,
            fill=fill,
            complete=fill == 1 and not shed,
            repeated=camera.window.count(_REPEATED) + shed,
            shed=shed,
            abstain=abstains(answer.fused, manifest.abstain_below),
            entropy=answer.entropy,
            stage_ms=dict(stage_ms),
        )


class _Answer(NamedTuple):
    """Probabilities [C]; flow is None where RGB speaks alone."""

    fused: F32
    rgb: F32
    flow: F32 | None
    entropy: float


_FRESH, _REPEATED, _SHED = range(3)


class _Camera:
    """Both streams' windows of one camera's epoch, and where their samples came from."""

    def __init__(self, epoch: int, window_samples: int, pipeline: Pipeline) -> None:
        self.epoch = epoch
        self.rgb, self.flow = pipeline.begin("rgb"), pipeline.begin("flow")
        self.window: deque[int] = deque(maxlen=window_samples)
        self._window_samples, self._pipeline = window_samples, pipeline

    @property
    def has_both(self) -> bool:
        """Whether every sample of the window has entered the flow stream, too."""
        return self.flow.samples >= min(self.rgb.samples, self._window_samples)

    def remember(self, origin: int) -> None:
        self.window.append(origin)

    def skip(self, samples: int) -> None:
        self.rgb.skip(samples)
        if self.flow.samples:
            self.flow.skip(samples)

    def forget_flow(self) -> None:
        """A sample has none: its stream begins anew with the next that has."""
        if self.flow.samples:
            self._pipeline.end(self.flow)
            self.flow = self._pipeline.begin("flow")

    def end(self) -> None:
        self._pipeline.end(self.rgb)
        self._pipeline.end(self.flow)
