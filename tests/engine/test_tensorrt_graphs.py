"""A real bundle on a GPU that is not there: gate, precisions, cache, the way back to the CPU."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from engine import device, parity, tensorrt_graphs
from engine.bundle import Bundle, write_sums
from engine.device import describe_machine, open_graphs
from engine.errors import DeviceFull, DeviceMissing, EngineDrift
from engine.recogniser import Recogniser, Sample
from tests.engine.tensorrt.with_tolerance import with_tolerance

STATED = {"fp32": 1e-3, "bf16": 1e-3}


@pytest.fixture
def bundle(tiny_bundle):
    """It states a tolerance for bf16, which fp16 is held to."""
    return with_tolerance(tiny_bundle, STATED)


@pytest.fixture
def on_gpu(load_tensorrt, fake_cuda, monkeypatch, tmp_path):
    """A function that puts a driver and a TensorRT on this machine; returns the stand-in."""
    driven = replace(describe_machine(), nvidia_driver="580.159")
    monkeypatch.setattr(device, "describe_machine", lambda: driven)
    monkeypatch.setattr(tensorrt_graphs, "_BATCHES", (1, 4))
    monkeypatch.setenv("GESTA_CACHE", str(tmp_path))

    def on_gpu(*version, **changes):
        tensorrt = load_tensorrt(*version, **changes)
        monkeypatch.setattr(tensorrt_graphs, "open_tensorrt", lambda: tensorrt)
        return tensorrt.trt

    return on_gpu


def test_auto_takes_the_gpu_without_being_told(bundle, on_gpu, caplog):
    trt, said = on_gpu("10.16.1.11"), []
    with caplog.at_level(logging.WARNING):
        graphs = open_graphs(bundle, progress=said.append)
    assert (graphs.device, graphs.precision) == ("cuda", "fp16")
    assert graphs.engine == "tensorrt 10.16.1.11"
    assert {graphs.rgb_head.precision, graphs.flow_head.precision} == {"fp32"}
    assert [build.flags for build in trt.builds] == [["FP16"], ["FP16"], [], []]
    assert said[0] == "opening rgb for NVIDIA H200 in fp16"
    assert "fp16: " in said[-1]
    assert said[-1].endswith("(tolerance 1.0e-03)")
    assert not caplog.records


def test_it_recognises_as_the_cpu_does(bundle, on_gpu):
    on_gpu()
    size, draw = bundle.manifest.input_size, np.random.default_rng(3)
    found, expected = (
        Recogniser(bundle, open_graphs(bundle, name, "fp32")) for name in ("cuda", "cpu")
    )
    for tick in range(31):
        rgb = draw.integers(0, 256, (5, size, size, 3), np.uint8)
        flow = draw.integers(1, 256, (5, 20, size, size), np.uint8)
        samples = [Sample(f"cam{b}", 0, tick, rgb[b], flow[b]) for b in range(5)]
        for one, other in zip(found.step(samples), expected.step(samples), strict=True):
            assert one.probabilities == pytest.approx(other.probabilities, abs=1e-4)
    assert one.complete


def test_the_gate_tries_every_size(bundle, on_gpu):
    trt = on_gpu()
    graphs = open_graphs(bundle, "cuda", "fp32")
    trt.ran.clear()
    parity.measure(bundle, graphs)
    assert set(trt.ran) == {1, 4}


@pytest.mark.parametrize(
    ("version", "precision", "said"),
    [
        ("8.6.0", "fp16", None),
        ("10.16.1.11", "fp16", None),
        (
            "11.4.0.106",
            "fp32",
            "running in fp32, since bundle 'random' has no fp16 graphs, and TensorRT 11.4.0.106 "
            "makes none",
        ),
    ],
)
def test_fp16_without_graphs_of_its_own_is_for_versions_that_derive_it(
    bundle, on_gpu, version, precision, said
):
    on_gpu(version)
    told = []
    assert open_graphs(bundle, "cuda", progress=told.append).precision == precision
    assert said is None or said in told


@pytest.mark.parametrize("precision", ["fp16", "int8"])
@pytest.mark.parametrize(("version", "flag"), [("8.6.0", True), ("10.16.1.11", False)])
def test_a_bundles_own_graphs_bring_their_precision(
    bundle, on_gpu, tmp_path, precision, version, flag
):
    trt = on_gpu(version)
    own = bundle_with(bundle, tmp_path / "own", precision)
    graphs = open_graphs(own, "cuda", precision)
    assert (graphs.precision, graphs.rgb.precision) == (precision, precision)
    flags = [precision.upper()] if flag else []
    assert [build.flags for build in trt.builds] == [flags, flags, [], []]
    assert {build.typed for build in trt.builds} == {not flag}


def test_auto_takes_a_bundles_own_fp16_where_it_cannot_be_derived(bundle, on_gpu, tmp_path):
    on_gpu("11.4.0.106")
    assert open_graphs(bundle_with(bundle, tmp_path / "own", "fp16")).precision == "fp16"


def test_fp16_that_drifts_is_fp32_with_both_numbers(bundle, on_gpu, caplog, fake_driver):
    on_gpu("10.16.1.11", drift=100.0)
    with caplog.at_level(logging.WARNING):
        graphs = open_graphs(bundle)
    assert (graphs.device, graphs.precision) == ("cuda", "fp32")
    assert "drift in fp16" in caplog.text
    assert "running in fp32 instead" in caplog.text
    taken = len(fake_driver.allocated)
    graphs.close()
    assert taken
    assert not fake_driver.allocated  # that in fp16 gave its memory back


@pytest.mark.parametrize(
    ("tolerance", "precision", "said"),
    [
        (
            STATED,
            "fp16",
            "no fp16 graphs, and TensorRT 11.4.0.106 makes none; use --precision fp32",
        ),
        ({"fp32": 1e-2}, "fp16", "states no tolerance for fp16; use --precision fp32"),
        ({**STATED, "int8": 0.1}, "int8", "no int8 graphs"),
        (STATED, "bf16", "TensorRT runs in fp32, fp16, int8, and not in bf16"),
    ],
)
def test_a_precision_that_is_not_there_is_a_sentence(bundle, on_gpu, tolerance, precision, said):
    on_gpu()
    with pytest.raises(DeviceMissing, match=said):
        open_graphs(with_tolerance(bundle, tolerance), "cuda", precision)


def bundle_with(bundle, folder, precision):
    """The same with graphs that call themselves of this precision, and a tolerance for it."""
    folder.mkdir()
    for name, text in bundle.contents().items():
        (folder / name).write_bytes(text)
    for name in ("rgb", "flow"):
        (folder / f"{name}.{precision}.onnx").write_bytes(bundle.graph(name))
    tolerant = with_tolerance(bundle, {**STATED, precision: 1e-3})
    (folder / "bundle.json").write_bytes(tolerant.manifest.encode())
    write_sums(folder)
    return Bundle.open(folder)


def missing():
    raise DeviceMissing("TensorRT can't be used")


def test_auto_without_tensorrt_is_the_cpu_with_the_reason(bundle, on_gpu, caplog, monkeypatch):
    on_gpu()
    monkeypatch.setattr(tensorrt_graphs, "open_tensorrt", missing)
    with caplog.at_level(logging.WARNING):
        assert open_graphs(bundle, precision="fp32").device == "cpu"
    assert "running on the CPU, not on the GPU: TensorRT can't be used" in caplog.text
    with pytest.raises(DeviceMissing, match="TensorRT can't be used"):
        open_graphs(bundle, "cuda")


def test_a_gpu_that_drifts_is_refused_with_both_numbers(bundle, on_gpu):
    on_gpu("10.16.1.11", drift=100.0)
    with pytest.raises(EngineDrift, match=r"drift in fp16: .* \(tolerance 1.0e-03\)"):
        open_graphs(bundle, "cuda", "fp16")


def test_auto_on_a_full_gpu_is_the_cpu_and_leaves_the_gpu_as_it_was(
    bundle, on_gpu, caplog, fake_driver
):
    on_gpu()
    fake_driver.capacity_bytes = 100_000  # enough for one graph or two
    with caplog.at_level(logging.WARNING):
        assert open_graphs(bundle, precision="fp32").device == "cpu"
    assert "too little free memory" in caplog.text
    assert not fake_driver.allocated
    with pytest.raises(DeviceFull, match="use --device cpu"):
        open_graphs(bundle, "cuda", "fp32")


def test_a_machine_without_an_nvidia_driver_has_no_gpu_to_miss(bundle, monkeypatch, caplog):
    plain = replace(describe_machine(), nvidia_driver=None)
    monkeypatch.setattr(device, "describe_machine", lambda: plain)
    with caplog.at_level(logging.WARNING):
        assert open_graphs(bundle, precision="fp32").device == "cpu"
    assert not caplog.records


def test_a_second_start_builds_nothing(bundle, on_gpu):
    trt = on_gpu()
    open_graphs(bundle, "cuda", "fp32").close()
    built = len(trt.builds)
    open_graphs(bundle, "cuda", "fp32").close()
    assert (built, len(trt.builds)) == (4, 4)
