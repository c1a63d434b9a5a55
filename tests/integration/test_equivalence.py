"""The first promise: the daemon's numbers are those of the same model evaluated offline.

The daemon's path is its own source, sampler, queue, batches, inference thread and compiled graphs.
The offline path (`offline.py`) reads the file itself and scores each window segment by segment in
torch. They must agree at every hop: |difference of probabilities| <= 1e-4, and the same answer
wherever it leads by more than 2e-4.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Event

import msgspec
import numpy as np
import pytest
import torch

from engine.arrays import AnyArray
from engine.bundle import Bundle
from engine.device import open_graphs
from engine.graphs import Graphs
from engine.manifest import Calibration, Manifest
from engine.recogniser import Recogniser, Recognition, Sample
from engine.runners.runner import Runner
from stream.batching import Batcher
from stream.configuration.config import CameraConfig
from stream.inference import InferenceThread, Recognised
from stream.opening import Opening
from stream.samples import SampleQueue, StreamSample
from stream.sources.open import open_source
from stream.sources.source import SourceOptions
from tests.integration.offline import (
    Answer,
    Inputs,
    Window,
    answer,
    decoded,
    features_of,
    on_grid,
    windows_of,
)
from training.export import load_bundle
from training.model.sta_tsn import StaTsn

pytestmark = pytest.mark.timeout(600)

TOLERANCE = 1e-4
MARGIN = 2e-4
FRAMES_OF_LONG_CLIPS = 45
SCENE = "scene:?seed=1000003&size=320x240&realtime=0"
UNCALIBRATED = Calibration()
# Far from 1, so that a temperature in the wrong place shows.
CALIBRATED = Calibration(rgb=1.7, flow=0.6, fused=1.4)


@dataclass(frozen=True)
class Model:
    """One bundle, opened by the engine and by torch."""

    bundle: Bundle
    graphs: Graphs
    torch: StaTsn

    @property
    def manifest(self) -> Manifest:
        return self.bundle.manifest

    def recogniser(self, calibration: Calibration, graphs: Graphs | None = None) -> Recogniser:
        manifest = msgspec.structs.replace(self.manifest, calibration=calibration)
        bundle = dataclasses.replace(self.bundle, manifest=manifest)
        return Recogniser(bundle, graphs or self.graphs)


@dataclass(frozen=True)
class Case:
    """One clip both ways: the daemon's samples, and what offline makes of the same file."""

    name: str
    samples: list[StreamSample]
    inputs: Inputs
    windows: list[Window]

    def offline(self, calibration: Calibration) -> list[Answer]:
        return [answer(window, calibration) for window in self.windows]


@pytest.fixture(scope="module", params=["small_bundle", "light_bundle", "default_bundle"])
def model(request: pytest.FixtureRequest) -> Iterator[Model]:
    path: Path = request.getfixturevalue(request.param)
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # more only wait for each other on a busy machine
    bundle = Bundle.open(path)
    graphs = open_graphs(bundle, device="cpu", precision="fp32", threads=2)
    yield Model(bundle, graphs, load_bundle(path))
    graphs.close()
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def real_cases(model: Model, jhmdb_clips: list[Path], other_clips: list[Path]) -> list[Case]:
    return [case_of(model, str(clip)) for clip in (*jhmdb_clips[::2], *other_clips)]


@pytest.fixture(scope="module")
def scene_case(model: Model) -> Case:
    return case_of(model, SCENE)


def samples_of(bundle: Bundle, url: str) -> Iterator[StreamSample]:
    """The daemon's way from a source to samples."""
    name = bundle.manifest.default_flow
    opening = Opening(bundle, name, bundle.manifest.flow_entry(name))
    sampler = opening.open_sampler(CameraConfig(name="cam0", url=url))
    source = open_source(url, SourceOptions())
    source.open()
    try:
        for frame in islice(source.frames(), FRAMES_OF_LONG_CLIPS):
            yield from sampler.push(frame)
    finally:
        source.close()


def case_of(model: Model, url: str) -> Case:
    samples = list(samples_of(model.bundle, url))
    if url.startswith("scene:"):
        source = open_source(url, SourceOptions())
        source.open()
        frames = islice(source.frames(), FRAMES_OF_LONG_CLIPS)
        pictures = [(frame.pts_ns, frame.image().copy()) for frame in frames]
        source.close()
    else:
        pictures = decoded(Path(url), FRAMES_OF_LONG_CLIPS)
    inputs = on_grid(pictures, model.manifest)
    features = features_of(model.torch, inputs)
    return Case(url, samples, inputs, windows_of(model.torch, features, model.manifest))


def steps(recogniser: Recogniser, case: Case) -> list[Recognition]:
    return [recogniser.step([each.sample])[0] for each in case.samples]


def assert_same(
    found: Sequence[Recognition], expected: Sequence[Answer], manifest: Manifest
) -> None:
    """Every hop's numbers, per stream and fused."""
    assert len(found) == len(expected)
    for hop, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        for name in ("p_rgb", "p_flow", "probabilities"):
            here, there = getattr(ours, name), getattr(theirs, name)
            difference = np.abs(here - there).max()
            assert difference <= TOLERANCE, f"{name} differ by {difference:.1e} at hop {hop}"
            second, first = np.sort(there)[-2:]
            if first - second > MARGIN:
                assert here.argmax() == there.argmax(), f"another answer from {name} at hop {hop}"
        np.testing.assert_allclose(ours.temporal_attention, theirs.attention, atol=TOLERANCE)
        fill = min(1.0, (hop + 1) / manifest.window_samples)
        assert ours.fill == pytest.approx(fill)
        assert ours.complete == (hop + 1 >= manifest.window_samples)


def assert_case(model: Model, case: Case, calibration: Calibration) -> None:
    found = steps(model.recogniser(calibration), case)
    assert_same(found, case.offline(calibration), model.manifest)


class TestInputs:
    """Both paths see the same bytes."""

    def test_frames_and_stacks_of_real_clips(self, real_cases: list[Case]) -> None:
        for case in real_cases:
            assert_same_inputs(case)

    def test_frames_and_stacks_of_a_scene(self, scene_case: Case) -> None:
        assert_same_inputs(scene_case)

    def test_slow_camera_repeats(self, real_cases: list[Case]) -> None:
        """10 fps on a grid of 25: ticks 0, 3, 5, 8, 10, ... have a frame, the others repeat."""
        (slow,) = (case for case in real_cases if "vtest" in case.name)
        assert {each.sample.epoch for each in slow.samples} == {0}
        for each in slow.samples:
            assert each.sample.repeated == (each.sample.tick % 5 not in (0, 3))


def assert_same_inputs(case: Case) -> None:
    assert len(case.samples) == len(case.inputs.rgb)
    for place, each in enumerate(case.samples):
        np.testing.assert_array_equal(each.sample.rgb, case.inputs.rgb[place])
        np.testing.assert_array_equal(each.sample.flow, case.inputs.stacks[place])


class TestOneCamera:
    def test_real_clips(self, model: Model, real_cases: list[Case]) -> None:
        assert len(real_cases) >= 10
        for case in real_cases:
            assert_case(model, case, UNCALIBRATED)

    def test_real_clips_calibrated(self, model: Model, real_cases: list[Case]) -> None:
        shipped = model.manifest.calibration
        calibration = CALIBRATED if shipped == UNCALIBRATED else shipped
        for case in real_cases:
            assert_case(model, case, calibration)

    @pytest.mark.parametrize("calibration", [UNCALIBRATED, CALIBRATED], ids=["plain", "calibrated"])
    def test_scene(self, model: Model, scene_case: Case, calibration: Calibration) -> None:
        assert_case(model, scene_case, calibration)

    def test_answers_differ_between_hops(self, real_cases: list[Case]) -> None:
        """Or else agreeing would be no achievement."""
        for case in real_cases:
            hops = [each.probabilities for each in case.offline(UNCALIBRATED)]
            changes = np.abs(np.diff(hops, axis=0)).max(axis=1)
            assert np.median(changes) > 10 * TOLERANCE

    def test_whole_windows_in_torch_at_once(self, model: Model, real_cases: list[Case]) -> None:
        """Pixels to probabilities through torch alone, as the paper evaluates 30 frames."""
        window = model.manifest.window_samples
        case = next(case for case in real_cases if len(case.samples) >= window)
        found = steps(model.recogniser(model.manifest.calibration), case)[window - 1]
        with torch.inference_mode():
            whole = model.torch.probabilities_of_window(
                torch.from_numpy(case.inputs.rgb[None, :window]),
                torch.from_numpy(case.inputs.stacks[None, :window]),
            )
        for name in ("probabilities", "p_rgb", "p_flow"):
            there = getattr(whole, name)[0].numpy()
            np.testing.assert_allclose(getattr(found, name), there, atol=TOLERANCE, rtol=0)


class TestSeveralCameras:
    """Three at once, each in its own phase: each says what it says alone."""

    def test_batches_in_different_phases(self, model: Model, real_cases: list[Case]) -> None:
        cases = sorted(real_cases, key=lambda case: -len(case.samples))[:3]
        recogniser = model.recogniser(UNCALIBRATED)
        found: dict[str, list[Recognition]] = {f"cam{i}": [] for i in range(3)}
        waiting = {
            f"cam{i}": [as_camera(each.sample, f"cam{i}") for each in case.samples]
            for i, case in enumerate(cases)
        }
        hop = 0
        while any(waiting.values()):
            # cam1 begins seven hops later, and cam2 misses every third batch.
            ready = [
                samples.pop(0)
                for i, samples in enumerate(waiting.values())
                if samples and hop >= (0, 7, 2)[i] and not (i == 2 and hop % 3 == 0)
            ]
            for recognition in recogniser.step(ready):
                found[recognition.camera].append(recognition)
            hop += 1
        for case, recognitions in zip(cases, found.values(), strict=True):
            assert_same(recognitions, case.offline(UNCALIBRATED), model.manifest)

    def test_threads_and_queues_of_the_daemon(self, model: Model, real_cases: list[Case]) -> None:
        cases = real_cases[:3]
        wakeup = Event()
        queues = {f"cam{i}": SampleQueue(64, live=False, wakeup=wakeup.set) for i in range(3)}
        found: dict[str, list[Recognition]] = {name: [] for name in queues}

        def deliver(recognised: Recognised) -> bool:
            found[recognised.recognition.camera].append(recognised.recognition)
            return True

        for (name, queue), case in zip(queues.items(), cases, strict=True):
            for each in case.samples:
                queue.put(dataclasses.replace(each, sample=as_camera(each.sample, name)))
            queue.close()
        thread = InferenceThread(
            open_recogniser=lambda: model.recogniser(UNCALIBRATED),
            batcher=Batcher(queues, wakeup=wakeup),
            deliver=deliver,
        )
        thread.start()
        thread.join(120)
        assert not thread.is_alive()
        assert thread.failure is None
        for case, recognitions in zip(cases, found.values(), strict=True):
            assert_same(recognitions, case.offline(UNCALIBRATED), model.manifest)


def as_camera(sample: Sample, camera: str) -> Sample:
    return dataclasses.replace(sample, camera=camera)


class TestMistakesShow:
    """The comparison is sharp enough to see the smallest slip."""

    def test_cleared_lane_off_by_one(self, model: Model, scene_case: Case) -> None:
        k = model.manifest.frames_per_segment

        def next_lane(inputs: Mapping[str, AnyArray]) -> Mapping[str, AnyArray]:
            return {**inputs, "lane": (inputs["lane"] + 1) % k}

        graphs = dataclasses.replace(
            model.graphs,
            rgb_head=Altered(model.graphs.rgb_head, inputs=next_lane),
            flow_head=Altered(model.graphs.flow_head, inputs=next_lane),
        )
        assert_differs(model, scene_case, model.recogniser(UNCALIBRATED, graphs))

    def test_score_of_another_lane(self, model: Model, scene_case: Case) -> None:
        def rotated(outputs: Mapping[str, AnyArray]) -> Mapping[str, AnyArray]:
            return {**outputs, "segment_scores": np.roll(outputs["segment_scores"], 1, axis=1)}

        head = Altered(model.graphs.rgb_head, outputs=rotated)
        graphs = dataclasses.replace(model.graphs, rgb_head=head)
        assert_differs(model, scene_case, model.recogniser(UNCALIBRATED, graphs))

    def test_frame_taken_twice(self, model: Model, scene_case: Case) -> None:
        *samples, _ = scene_case.samples
        middle = len(samples) // 2
        stuck = dataclasses.replace(scene_case, samples=[*samples[: middle + 1], *samples[middle:]])
        assert_differs(model, stuck, model.recogniser(UNCALIBRATED))


def assert_differs(model: Model, case: Case, recogniser: Recogniser) -> None:
    expected = case.offline(UNCALIBRATED)
    with pytest.raises(AssertionError):
        assert_same(steps(recogniser, case), expected, model.manifest)


class Altered:
    """A runner whose inputs or outputs are tampered with."""

    def __init__(
        self,
        runner: Runner,
        *,
        inputs: Callable[[Mapping[str, AnyArray]], Mapping[str, AnyArray]] = lambda given: given,
        outputs: Callable[[Mapping[str, AnyArray]], Mapping[str, AnyArray]] = lambda given: given,
    ) -> None:
        self.device, self.precision = runner.device, runner.precision
        self.batches = runner.batches
        self._runner, self._inputs, self._outputs = runner, inputs, outputs

    def run(self, inputs: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
        return dict(self._outputs(self._runner.run(self._inputs(inputs))))

    def close(self) -> None:
        self._runner.close()
