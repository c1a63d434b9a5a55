"""Sequences of several cameras, from frames to answers: pictures, flow, CNN and lanes on a GPU that
is not there, against the host's pictures and flow through the same graphs.

The kernels run as host code, and stand-ins for TensorRT compute with OpenVINO; each way has its own
samplers, queues, batcher and recogniser.
"""

# ruff: noqa: F811  (fixtures from elsewhere)
from __future__ import annotations

import dataclasses
import pickle
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from engine import tensorrt_graphs
from engine.bundle import Bundle
from engine.device import open_graphs
from engine.eyes import open_eyes
from engine.flow import cuda_eyes, eyes_check
from engine.flow.tvl1_cuda import CudaTvL1Flow
from engine.manifest import FlowEntry
from engine.recogniser import Recogniser
from stream.batching import Batcher
from stream.capture import CaptureThread
from stream.configuration.config import CameraConfig
from stream.inference import InferenceThread
from stream.processes.distant_sight import DistantEyes, Mirror
from stream.region import GREY
from stream.sampler import Sampler
from stream.samples import SampleQueue
from stream.sights import Sights
from stream.sources.source import StreamInfo
from tests.engine.conftest import (  # noqa: F401  (fixtures)
    fake_cuda,
    fake_driver,
    host_kernels,
    load_tensorrt,
)
from tests.engine.flow.pictures import PORTABLE
from tests.engine.tensorrt.with_tolerance import with_tolerance
from tests.integration.conftest import random_bundle
from tests.stream.synthetic import STEP_NS, picture, source_frame

pytestmark = pytest.mark.timeout(900)

SCALE, CAPACITY, SAMPLE_EVERY = (44, 34), 3, 2
ENTRY = FlowEntry(
    bound_px=6.0, parameters={**PORTABLE, "inner_iterations": 3, "warps": 2, "scales": 2}
)
SIZES = {"hall": SCALE, "door": (30, 40), "yard": (97, 61), "gate": SCALE}  # kept, grown, shrunk
REGION = ((0.0, 0.0), (0.6, 0.0), (0.6, 1.0), (0.0, 1.0))


class Way:
    """From frames to answers, by one recogniser.

    apart: another process would capture, and what it reports travels.
    """

    def __init__(self, bundle, recogniser, eyes, gpu, *, apart=False):
        self.recogniser = recogniser
        self.sights = Sights(bundle.manifest, ENTRY, lambda: CudaTvL1Flow(ENTRY.parameters, gpu))
        self.sights.eyes = eyes
        self.wants_flow, self.apart = True, apart
        self._manifest = bundle.manifest
        self._samplers, self._queues, self._mirrors = {}, {}, {}
        self._wakeup = threading.Event()
        self._batcher = Batcher({}, wakeup=self._wakeup)

    def join(self, name, epoch=0):
        camera = CameraConfig(
            name=name,
            url="scene:",
            explain=name == "gate",
            region=REGION if name == "hall" else None,
        )
        self._samplers[name] = Sampler(
            name,
            self._manifest,
            self._opener(camera),
            1.0,
            wants_flow=lambda: self.wants_flow,
            epoch=epoch,
        )
        queue = SampleQueue(CAPACITY, live=True, waits_s=1e9, wakeup=self._wakeup.set)
        self._queues[name] = queue
        self._batcher.add(name, queue)

    def _opener(self, camera):
        sight = self.sights.of_scaled(camera) if self.apart else None
        if sight is None:
            return self.sights.opener(camera)
        mirror = self._mirrors[camera.name] = Mirror(sight)
        eyes = DistantEyes(SCALE, lambda call: mirror.call(pickle.loads(pickle.dumps(call))))
        sights = Sights(self._manifest, ENTRY, open_flow=None)
        sights.eyes = eyes
        return sights.opener(camera)

    def leave(self, name):
        self._queues.pop(name).close()
        self._samplers.pop(name).close()
        self._batcher.remove(name)

    def push(self, name, frame):
        mirror = self._mirrors.get(name)
        for sample in self._samplers[name].push(frame):
            self._queues[name].put(sample if mirror is None else mirror.completed(sample))
        self.recogniser.take_in()

    def answers(self, most=2):
        """Of the samples that wait, in batches of at most so many; in their order."""
        found = []
        while batch := self._batcher.next(0, most, self.recogniser.take_in):
            for name in self._batcher.removed():
                self.recogniser.forget(name)
            samples = [item.sample for item in batch]
            found += zip(samples, self.recogniser.step(samples), strict=True)
        return found


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    random_bundle(
        folder, seed=4, input_size=32, resize=SCALE, segments=2, frames_per_segment=4,
        sample_every=SAMPLE_EVERY,
    )  # fmt: skip
    return with_tolerance(Bundle.open(folder), {"fp32": 1e-3})


@pytest.fixture
def graphs(bundle, load_tensorrt, fake_cuda, monkeypatch, tmp_path):
    tensorrt = load_tensorrt()
    monkeypatch.setattr(tensorrt_graphs, "_BATCHES", (1, 4))
    monkeypatch.setattr(tensorrt_graphs, "open_tensorrt", lambda: tensorrt)
    monkeypatch.setattr(cuda_eyes, "_BATCHES", (1, 2))
    monkeypatch.setenv("GESTA_CACHE", str(tmp_path))
    opened = open_graphs(bundle, "cuda", "fp32")
    yield opened
    opened.close()


@pytest.fixture
def eyes(bundle, graphs):
    waiting = (CAPACITY + 2) * SAMPLE_EVERY
    said = []
    opened = open_eyes(
        graphs,
        bundle.manifest,
        "tvl1",
        "cuda",
        ENTRY,
        hidden=GREY,
        lag=waiting,
        progress=said.append,
    )
    assert opened is not None
    assert said[-1].startswith("made on the GPU, pictures ")
    return opened


@pytest.fixture(params=["here", "apart"])
def ways(bundle, graphs, eyes, request):
    """On the GPU, captured here or in other processes, and on the host."""
    gpu, apart = graphs.resident._device, request.param == "apart"
    return [
        Way(bundle, Recogniser(bundle, graphs, eyes), eyes, gpu, apart=apart),
        Way(bundle, Recogniser(bundle, dataclasses.replace(graphs, resident=None)), None, gpu),
    ]


def a_day(turn, name):
    """A camera's frame at a turn: (its time, size and what else is said of it), or None."""
    if turn in (9, 10, 11) and name == "hall":
        return None  # a hole that is bridged
    size = SIZES[name]
    if name == "door" and turn >= 30:
        size = SCALE  # another stream of it
    jump = 10**10 if name == "yard" and turn >= 26 else 0  # its clock leaps: a new epoch
    changes = {"new_epoch": True} if name == "hall" and turn == 20 else {}
    image = picture(turn, size)
    return source_frame(turn * STEP_NS + jump, image, **changes)


def test_answers_are_the_hosts(ways):
    """Four cameras with holes, new epochs, another size, shed samples, RGB alone for a while, one
    that comes later, one that leaves and comes again, one that is explained.
    """
    told, complete, flowless, shed = 0, set(), 0, 0
    names = ["hall", "door", "gate"]
    for way in ways:
        for name in names:
            way.join(name)
    for turn in range(66):
        if turn == 6:
            names.append("yard")
        if turn == 36:
            names.remove("gate")
        if turn == 40:
            names.append("gate")
        for way in ways:
            if turn == 6:
                way.join("yard")
            if turn == 36:
                way.leave("gate")
            if turn == 40:
                way.join("gate", epoch=7)
            way.wants_flow = not 32 <= turn < 35
            for name in names:
                if (frame := a_day(turn, name)) is not None:
                    way.push(name, frame)
        if 14 <= turn < 22:
            continue  # the engine is busy, and samples are shed
        found, expected = (way.answers() for way in ways)
        assert len(found) == len(expected)
        for (sample, one), (other_sample, other) in zip(found, expected, strict=True):
            assert _what(sample) == _what(other_sample)
            # What another process resizes is resized as on the host.
            assert_same(one, other, shrunk=sample.camera == "yard" and not ways[0].apart)
            assert isinstance(sample.rgb, np.ndarray) == (sample.camera == "gate")
            told, shed = told + 1, shed + sample.shed_before
            flowless += one.p_flow is None
            complete |= {one.camera} if one.complete and one.p_flow is not None else set()
    assert complete == {"hall", "door", "yard", "gate"}
    assert told > 90
    assert min(shed, flowless) > 5


def assert_same(one, other, *, shrunk):
    close = partial(pytest.approx, abs=2e-2 if shrunk else 1e-5)
    assert one.probabilities == close(other.probabilities)
    assert one.p_rgb == close(other.p_rgb)
    assert one.temporal_attention == close(other.temporal_attention)
    assert one.spatial_rgb == close(other.spatial_rgb)
    assert (one.p_flow is None) == (other.p_flow is None)
    if one.p_flow is not None:
        assert one.p_flow == close(other.p_flow)
    counts = ("fill", "complete", "repeated", "shed")
    assert [getattr(one, name) for name in counts] == [getattr(other, name) for name in counts]


def test_once_the_cameras_are_there_nothing_is_allocated_and_each_frame_goes_up_once(
    ways,
    fake_driver,
    fake_cuda,
):
    way, names = ways[0], ("hall", "door", "yard")
    for name in names:
        way.join(name)
    for turn in range(30):
        for name in names:
            way.push(name, source_frame(turn * STEP_NS, picture(turn, SIZES[name])))
        way.answers()
        if turn == 9:
            taken, graphs = dict(fake_driver.allocated), len(fake_cuda.graphs)
            fake_driver.copied_bytes = {"up": 0, "down": 0}
    assert fake_driver.allocated == taken
    assert len(fake_cuda.graphs) == graphs
    # The one that is smaller than the model's scale is resized on the host, and so are all where
    # another process does it. With each frame go 48
    # bytes in batches of one and two; with each sample, in batches of one and four, 24 for either
    # CNN and either head, and 1 and 10 addresses.
    sizes = (SCALE, SCALE, SCALE if way.apart else SIZES["yard"])
    pictures = 20 * 3 * sum(width * height for width, height in sizes)
    frames, steps = 20 * 4 * 48, 10 * 2 * 4 * (4 * 24 + 8 * 11)
    assert pictures < fake_driver.copied_bytes["up"] <= pictures + frames + steps
    assert fake_driver.copied_bytes["down"] < 10_000


def test_threads_give_the_same(ways, bundle, eyes, tmp_path):
    """As the daemon does: a capture thread for each file, one for the GPU, and nothing is lost."""
    names = ("east", "west")
    images = {name: [picture(turn, (96, 68)) for turn in range(30)] for name in names}
    on_gpu, on_host = ways
    wakeup = threading.Event()
    sights = Sights(bundle.manifest, ENTRY, open_flow=None, handed_over=wakeup.set)
    sights.eyes = eyes
    queues = {}
    captures = [
        CaptureThread(
            camera := CameraConfig(name=name, url=str(tmp_path / name)),
            manifest=bundle.manifest,
            open_sight=sights.opener(camera),
            queue=queues.setdefault(name, SampleQueue(CAPACITY, live=False, wakeup=wakeup.set)),
            on_status=lambda change: None,
            open_source=lambda url, options: Film(images[Path(url).name]),
        )
        for name in names
    ]
    found = []
    inference = InferenceThread(
        open_recogniser=lambda: on_gpu.recogniser,
        batcher=Batcher(queues, wakeup=wakeup),
        deliver=lambda item: found.append(item.recognition) is None,
    )
    for thread in (inference, *captures):
        thread.start()
    inference.join(300)
    assert inference.failure is None
    assert not any(each.is_alive() for each in (inference, *captures))
    expected = {}
    for name in names:
        on_host.join(name)
    for turn in range(30):
        for name in names:
            on_host.push(name, source_frame(turn * STEP_NS, images[name][turn]))
        expected |= {(one.camera, one.tick): one for _, one in on_host.answers()}
    assert len(found) == len(expected) == 30
    for one in found:
        assert_same(one, expected[one.camera, one.tick], shrunk=True)
        assert isinstance(one.p_flow, np.ndarray)


class Film:
    """A source of pictures, 25 a second."""

    live = False

    def __init__(self, images):
        self._images = images

    def open(self):
        height, width, _ = self._images[0].shape
        return StreamInfo(codec="rawvideo", width=width, height=height, fps=25.0, transport="file")

    def frames(self):
        for turn, each in enumerate(self._images):
            yield source_frame(turn * STEP_NS, each)

    def close(self):
        pass


def test_too_little_memory_is_the_host_path_with_the_reason(
    bundle,
    graphs,
    fake_driver,
    caplog,
):
    taken = dict(fake_driver.allocated)
    fake_driver.capacity_bytes = sum(len(each.bytes) for each in taken.values()) + 100
    assert open_eyes(
        graphs, bundle.manifest, "tvl1", "cuda", ENTRY, hidden=GREY, lag=4, progress=print
    ) is None  # fmt: skip
    assert "made on the CPU, not on the GPU: NVIDIA H200 has too little free memory" in caplog.text
    assert fake_driver.allocated == taken


def test_pictures_that_drift_are_the_host_path_with_both_numbers(
    bundle, graphs, fake_driver, caplog, monkeypatch
):
    taken = dict(fake_driver.allocated)
    monkeypatch.setattr(eyes_check, "FLOW_STEPS", -1.0)
    assert open_eyes(
        graphs, bundle.manifest, "tvl1", "cuda", ENTRY, hidden=GREY, lag=4, progress=print
    ) is None  # fmt: skip
    assert "made on the CPU, not on the GPU: the GPU's pictures drift: pictures " in caplog.text
    assert "(tolerance -1)" in caplog.text
    assert fake_driver.allocated == taken


def _what(sample):
    return (sample.camera, sample.epoch, sample.tick, sample.repeated, sample.shed_before)
