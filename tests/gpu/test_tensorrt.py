"""The built-in bundle on a real GPU, through TensorRT, against the CPU."""

import logging
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from engine.bundle import Bundle
from engine.device import open_graphs
from engine.errors import DeviceMissing
from engine.eyes import open_eyes
from engine.flow.open import open_flow
from engine.recogniser import Recogniser, Sample
from engine.tensorrt.library import open_tensorrt
from stream.host_sight import HostSight
from stream.region import GREY
from tests.engine.flow.eyes_device import image

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(600)]  # a first build takes minutes


@pytest.fixture(scope="module")
def bundle(gpu):
    try:
        open_tensorrt()
    except DeviceMissing as missing:
        pytest.skip(str(missing))
    return Bundle.open("default")


@pytest.fixture(scope="module")
def on_gpu(bundle):
    graphs = open_graphs(bundle, "cuda", "fp32")
    yield graphs
    graphs.close()


def samples(bundle, count, cameras):
    draw, manifest = np.random.default_rng(0), bundle.manifest
    size, flow_size = manifest.input_size, manifest.flow_size
    for tick in range(count):
        yield [
            Sample(
                f"cam{b}",
                0,
                tick,
                draw.integers(0, 256, (size, size, 3), np.uint8),
                draw.integers(1, 256, (manifest.flow_channels, flow_size, flow_size), np.uint8),
            )
            for b in range(cameras)
        ]


@pytest.mark.parametrize("cameras", [1, 3, 33])
def test_it_recognises_as_the_cpu_does(bundle, on_gpu, cameras):
    cpu = open_graphs(bundle, "cpu", "fp32")
    found, expected = Recogniser(bundle, on_gpu), Recogniser(bundle, cpu)
    for batch in samples(bundle, 12, cameras):
        for one, other in zip(found.step(batch), expected.step(batch), strict=True):
            assert one.probabilities == pytest.approx(other.probabilities, abs=1e-4)
    cpu.close()


def test_features_and_lanes_stay_on_the_gpu_in_one_launch_a_batch(on_gpu):
    assert on_gpu.resident is not None
    assert on_gpu.resident.captured == {
        name: getattr(on_gpu, name).batches for name in ("rgb", "rgb_head", "flow", "flow_head")
    }


def test_it_says_what_the_host_path_says(bundle, on_gpu):
    """Cameras that come later and lose samples and flow, over a whole window and more."""
    found = Recogniser(bundle, on_gpu)
    expected = Recogniser(bundle, replace(on_gpu, resident=None))
    for t, batch in enumerate(samples(bundle, bundle.manifest.window_samples + 8, 11)):
        batch = batch[: 11 if t > 4 else 3]
        batch[0] = replace(batch[0], shed_before=2 if t == 3 else 0)
        batch[1] = replace(batch[1], flow=None) if t == 6 else batch[1]
        for one, other in zip(found.step(batch), expected.step(batch), strict=True):
            assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)
            assert one.spatial_rgb == pytest.approx(other.spatial_rgb, abs=1e-6)
    assert one.complete


def test_pictures_made_on_the_gpu_give_the_hosts_answers(bundle, on_gpu):
    """Frames of the model's scale, so that both are the same bytes; two of five come later."""
    manifest, entry = bundle.manifest, bundle.manifest.flow_entry("tvl1")
    eyes = open_eyes(on_gpu, manifest, "tvl1", "cuda", entry, hidden=GREY, lag=4, progress=print)
    assert eyes is not None
    flow = partial(open_flow, "tvl1", entry.parameters, "cuda")
    found, expected = Recogniser(bundle, on_gpu, eyes), Recogniser(bundle, on_gpu)
    sights = [
        (
            eyes.open(manifest.resize, None, lambda: None),
            HostSight(manifest, flow(), bound_px=entry.bound_px),
        )
        for _ in range(5)
    ]
    for tick in range(manifest.window_samples + 4):
        batches = [], []
        for n, pair in enumerate(sights[: 3 if tick < 4 else 5]):
            since = tick if n < 3 else tick - 4
            for sight, batch in zip(pair, batches, strict=True):
                sight.add(since, image(tick, manifest.resize, n), with_flow=True)
                view = sight.view(since, with_flow=True)
                batch.append(Sample(f"cam{n}", 0, since, view.rgb, view.flow))
        for one, other in zip(found.step(batches[0]), expected.step(batches[1]), strict=True):
            assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)
            assert one.p_flow == pytest.approx(other.p_flow, abs=1e-5)


def test_steps_take_no_memory(bundle, on_gpu, gpu):
    recogniser, batches = Recogniser(bundle, on_gpu), list(samples(bundle, 40, 9))
    recogniser.step(batches[0])
    with gpu.current():
        before = gpu.free_bytes()
    for batch in batches[1:]:
        recogniser.step(batch)
    with gpu.current():
        assert gpu.free_bytes() == before


def test_auto_takes_the_gpu_in_whichever_precision_passes(bundle):
    said = []
    graphs = open_graphs(bundle, progress=said.append)
    assert graphs.device == "cuda"
    assert said[-1].startswith(f"kept on the GPU between graphs, {graphs.precision}: ")
    graphs.close()


def test_a_second_start_finds_its_plans(bundle, on_gpu, caplog):
    said = []
    with caplog.at_level(logging.WARNING):
        open_graphs(bundle, "cuda", "fp32", progress=said.append).close()
    assert not [line for line in said if line.startswith("building")]
    assert not caplog.records
