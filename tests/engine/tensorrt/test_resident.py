"""A real bundle whose features and lanes stay on a GPU that is not there, against the host path.

The kernels run as host code, the streams' work when it is waited for, and events as they order it.
"""

import logging
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from engine import tensorrt_graphs
from engine.device import open_graphs
from engine.errors import DeviceFailed
from engine.recogniser import Recogniser, Sample
from engine.tensorrt.resident_stream import ResidentStream
from tests.engine.tensorrt.with_tolerance import with_tolerance


@pytest.fixture
def bundle(tiny_bundle):
    return with_tolerance(tiny_bundle, {"fp32": 1e-3})


@pytest.fixture
def trt(load_tensorrt, fake_cuda, monkeypatch, tmp_path):
    tensorrt = load_tensorrt()
    monkeypatch.setattr(tensorrt_graphs, "_BATCHES", (1, 4))
    monkeypatch.setattr(tensorrt_graphs, "open_tensorrt", lambda: tensorrt)
    monkeypatch.setenv("GESTA_CACHE", str(tmp_path))
    return tensorrt.trt


@pytest.fixture
def opened(bundle, trt):
    """A function that opens the bundle on the GPU."""
    return partial(open_graphs, bundle, "cuda", "fp32")


def sample(camera, tick, **changes):
    draw = np.random.default_rng([tick, sum(camera.encode())])
    rgb = draw.integers(0, 256, (32, 32, 3), np.uint8)
    return replace(
        Sample(camera, 0, tick, rgb, draw.integers(1, 256, (20, 32, 32), np.uint8)), **changes
    )


def a_day():
    """Batches of one to six cameras that come, go, lose samples, flow and epochs."""
    for t in range(34):
        batch = [sample("hall", t, shed_before=2 if t == 3 else 0)]
        if t >= 5:
            batch.insert(0, sample("door", t, epoch=t // 12))
        if t >= 9:
            batch.append(sample("yard", t, **({"flow": None} if 14 <= t < 17 else {})))
        if t % 8 == 7:
            batch += [sample(f"guest{n}", t, epoch=t) for n in range(3)]
        yield batch


def assert_same(found, expected):
    assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
    assert found.p_rgb == pytest.approx(expected.p_rgb, abs=1e-5)
    assert (found.p_flow is None) == (expected.p_flow is None)
    assert found.temporal_attention == pytest.approx(expected.temporal_attention, abs=1e-5)
    assert found.spatial_rgb == pytest.approx(expected.spatial_rgb, abs=1e-6)
    if found.p_flow is not None:
        assert found.p_flow == pytest.approx(expected.p_flow, abs=1e-5)
        assert found.spatial_flow == pytest.approx(expected.spatial_flow, abs=1e-6)
    assert (found.fill, found.shed, found.complete) == (
        expected.fill,
        expected.shed,
        expected.complete,
    )


def test_it_says_what_the_host_path_says(bundle, opened, caplog):
    with caplog.at_level(logging.WARNING):
        graphs = opened()
    assert not caplog.records
    assert graphs.resident is not None
    found = Recogniser(bundle, graphs)
    expected = Recogniser(bundle, replace(graphs, resident=None))
    for batch in a_day():
        complete = {}
        for one, other in zip(found.step(batch), expected.step(batch), strict=True):
            assert_same(one, other)
            complete[one.camera] = one.complete
    assert complete["hall"]
    assert set(one.stage_ms) == {"rgb", "flow", "head"}


def test_each_batch_is_one_launch_of_a_graph(bundle, opened, fake_cuda):
    graphs = opened()
    names = ("rgb", "rgb_head", "flow", "flow_head")
    assert graphs.resident.captured == dict.fromkeys(names, (1, 4))
    recogniser, before = Recogniser(bundle, graphs), fake_cuda.replayed
    recogniser.step([sample("hall", 0)])
    assert fake_cuda.replayed - before == 4
    assert len(fake_cuda.graphs) == 8


def test_what_comes_down_is_scores_logits_and_attention(bundle, opened, fake_driver):
    recogniser = Recogniser(bundle, opened())
    batch = [sample("hall", 0), sample("door", 0), sample("yard", 0, flow=None)]
    copied, fake_driver.copied_bytes = fake_driver.copied_bytes, {"up": 0, "down": 0}
    assert min(copied.values()) > 0
    recogniser.step(batch)
    # Four classes, ten lanes, a map of 1x1, of five rows: three in RGB, two in flow.
    assert fake_driver.copied_bytes["down"] == 5 * 4 * (2 * 4 + 10 + 1)
    pictures = 3 * 32 * 32 * 3 + 2 * 32 * 32 * 20
    # A batch of four and one of four: a row is 24 bytes, for the CNNs with 1 and 10 addresses.
    tables = 2 * 24 * (4 + 4) + 8 * (1 + 10) * 4
    assert pictures < fake_driver.copied_bytes["up"] <= pictures + tables


def test_nothing_is_allocated_once_the_cameras_are_there(bundle, opened, fake_driver, fake_cuda):
    graphs = opened()
    recogniser, taken = Recogniser(bundle, graphs), None
    for t, batch in enumerate(a_day()):
        recogniser.step(batch)
        if t == 15:  # three guests and three that stay: the most at once
            taken = dict(fake_driver.allocated)
            streams, captured = len(fake_driver.streams), len(fake_cuda.graphs)
        if t % 8 == 7:
            for n in range(3):
                recogniser.forget(f"guest{n}")
    assert fake_driver.allocated == taken
    assert (len(fake_driver.streams), len(fake_cuda.graphs)) == (streams, captured)
    graphs.close()
    assert not fake_driver.allocated
    assert not fake_cuda.graphs


@pytest.mark.parametrize("who", ["driver", "TensorRT"])
def test_a_capture_that_is_refused_is_told_of_and_costs_no_answer(
    bundle, trt, opened, fake_cuda, caplog, who
):
    fake_cuda.refuses, trt.refuses_capture = who == "driver", who == "TensorRT"
    with caplog.at_level(logging.WARNING):
        graphs = opened()
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 4
    assert said[0].startswith("rgb starts kernel by kernel in batches of 1 and 4, not as a CUDA")
    assert set(graphs.resident.captured.values()) == {()}
    found = Recogniser(bundle, graphs)
    expected = Recogniser(bundle, replace(graphs, resident=None))
    for t in range(12):
        batch = [sample("hall", t), sample("door", t)]
        for one, other in zip(found.step(batch), expected.step(batch), strict=True):
            assert_same(one, other)
    graphs.close()
    assert not fake_cuda.graphs


def test_one_that_drifts_is_told_of_and_not_used(
    bundle, opened, monkeypatch, caplog, fake_driver, fake_cuda
):
    advance = ResidentStream.advance  # each sample enters twice
    monkeypatch.setattr(ResidentStream, "advance", lambda self: (advance(self), advance(self)))
    said = []
    with caplog.at_level(logging.WARNING):
        graphs = opened(progress=said.append)
    assert "go through the host's memory, not staying on the GPU: the compiled gr" in caplog.text
    assert "drift in fp32" in caplog.text
    assert said[-1].startswith("kept on the GPU between graphs, fp32: ")
    assert graphs.resident is None
    assert not fake_cuda.graphs
    assert Recogniser(bundle, graphs).step([sample("hall", 0)])


def test_too_little_memory_for_it_is_the_host_path(bundle, opened, caplog, fake_driver):
    taken = {}

    def progress(text):
        if text.startswith("fp32: "):  # the host path has passed, and there is nothing left
            taken.update(fake_driver.allocated)
            fake_driver.capacity_bytes = sum(len(each.bytes) for each in taken.values()) + 100

    with caplog.at_level(logging.WARNING):
        graphs = opened(progress=progress)
    assert "not staying on the GPU: NVIDIA H200 has too little free memory" in caplog.text
    assert graphs.resident is None
    assert fake_driver.allocated == taken
    assert Recogniser(bundle, graphs).step([sample("hall", 0)])


def test_a_lost_gpu_is_a_sentence(bundle, opened, fake_driver):
    recogniser = Recogniser(bundle, opened())
    fake_driver.lost = True
    with pytest.raises(DeviceFailed, match=r"unspecified launch failure.*--device cpu"):
        recogniser.step([sample("hall", 0)])
