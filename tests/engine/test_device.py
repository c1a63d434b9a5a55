"""Opening a real bundle: gate, precisions, cache."""

import logging
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from engine import openvino_graphs
from engine.device import describe_machine, open_graphs
from engine.errors import DeviceMissing, EngineDrift, GraphMismatch
from engine.recogniser import Recogniser, Sample

needs_bf16 = pytest.mark.skipif(
    not describe_machine().computes_bf16, reason="this CPU doesn't compute in bf16"
)


def with_manifest(bundle, **changes):
    return replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, **changes))


def samples_of(bundle, camera, count):
    draw, size = np.random.default_rng(count), bundle.manifest.input_size
    return [
        Sample(
            camera,
            0,
            tick,
            draw.integers(0, 256, (size, size, 3), np.uint8),
            draw.integers(1, 256, (20, size, size), np.uint8),
        )
        for tick in range(count)
    ]


@pytest.fixture(scope="module")
def graphs(tiny_bundle):
    return open_graphs(tiny_bundle, precision="fp32")


def test_it_opens_and_says_both_numbers(tiny_bundle):
    said = []
    graphs = open_graphs(tiny_bundle, "cpu", "fp32", progress=said.append)
    assert (graphs.device, graphs.precision) == ("cpu", "fp32")
    assert graphs.engine.startswith("openvino 20")
    assert "tolerance" in said[-1]
    assert {runner.precision for runner in (graphs.rgb_head, graphs.flow_head)} == {"fp32"}
    graphs.close()


def test_the_same_samples_give_the_same_bits(tiny_bundle, graphs):
    once, again = [Recogniser(tiny_bundle, graphs) for _ in range(2)]
    for sample in samples_of(tiny_bundle, "hall", 35):
        [first], [second] = once.step([sample]), again.step([sample])
        assert np.array_equal(first.probabilities, second.probabilities)
        assert np.array_equal(first.temporal_attention, second.temporal_attention)
    assert first.complete


def test_a_camera_sees_the_same_alone_and_among_others(tiny_bundle, graphs):
    alone, together = Recogniser(tiny_bundle, graphs), Recogniser(tiny_bundle, graphs)
    for sample in samples_of(tiny_bundle, "hall", 35):
        [expected] = alone.step([sample])
        for found in together.step([replace(sample, camera=name) for name in "abcdef"]):
            assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
            assert np.array_equal(found.spatial_rgb, expected.spatial_rgb)


def test_an_engine_that_drifts_is_refused(tiny_bundle):
    impossible = with_manifest(tiny_bundle, tolerance={"fp32": 1e-12})
    with pytest.raises(EngineDrift, match=r"drift in fp32: .* \(tolerance 1.0e-12\)"):
        open_graphs(impossible, precision="fp32")


@needs_bf16
def test_auto_takes_bf16_where_its_tolerance_holds_and_else_fp32(tiny_bundle, caplog):
    loose = with_manifest(tiny_bundle, tolerance={"fp32": 1e-2, "bf16": 1.0})
    assert open_graphs(loose).precision == "bf16"
    strict = with_manifest(tiny_bundle, tolerance={"fp32": 1e-2, "bf16": 1e-12})
    with caplog.at_level(logging.WARNING):
        assert open_graphs(strict).precision == "fp32"
    assert "running in fp32 instead" in caplog.text
    unmeasured = with_manifest(tiny_bundle, tolerance={"fp32": 1e-2})
    assert open_graphs(unmeasured).precision == "fp32"


@needs_bf16
def test_bf16_without_a_tolerance_is_refused(tiny_bundle):
    unmeasured = with_manifest(tiny_bundle, tolerance={"fp32": 1e-2})
    with pytest.raises(DeviceMissing, match="no tolerance for bf16; use --precision fp32"):
        open_graphs(unmeasured, precision="bf16")


def test_a_cpu_without_bf16_is_told_so_or_runs_fp32(tiny_bundle, monkeypatch):
    plain = replace(describe_machine(), features=("avx2",))
    monkeypatch.setattr(openvino_graphs, "describe_machine", lambda: plain)
    loose = with_manifest(tiny_bundle, tolerance={"fp32": 1e-2, "bf16": 1.0})
    assert open_graphs(loose).precision == "fp32"
    with pytest.raises(DeviceMissing, match="doesn't compute in bf16; use --precision fp32"):
        open_graphs(loose, precision="bf16")


@pytest.mark.parametrize(
    ("name", "precision", "said"),
    [
        (
            "cpu",
            "fp16",
            "fp32, bf16, int8, and not in fp16; use --precision auto",
        ),
        ("tpu", "auto", "no device 'tpu'"),
        ("cpu", "fp8", "precision 'fp8'"),
    ],
)
def test_what_is_not_here_is_a_sentence(numpy_bundle, name, precision, said):
    with pytest.raises(DeviceMissing, match=said) as refusal:
        open_graphs(numpy_bundle, name, precision)
    assert refusal.value.exit_code == 4


def test_a_manifest_of_another_model_is_refused(tiny_bundle):
    for change, said in (
        ({"feature_width": 1000}, r"rgb gives features as float32 \[1, 1280\]"),
        ({"hidden_width": 17}, r"rgb_head takes h as float32 \[\?, 10, 16\]"),
        ({"classes": ("a", "b", "c")}, "rgb_head gives segment_scores"),
        ({"input_size": 33, "resize": (44, 40)}, r"rgb takes frames as uint8 \[\?, 32, 32, 3\]"),
    ):
        with pytest.raises(GraphMismatch, match=said):
            open_graphs(with_manifest(tiny_bundle, **change), precision="fp32")
