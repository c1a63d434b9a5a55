"""8 bits: what is rounded, what is corrected, what is written, and what OpenVINO makes of it."""

from collections import Counter
from pathlib import Path

import av
import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from engine.bundle import Bundle
from engine.device import open_graphs
from engine.errors import DeviceMissing
from training.cli import main
from training.export import random_bundle
from training.golden import moving_pattern
from training.model.build import ModelConfig
from training.model.sta_tsn import SpatialStream
from training.quantisation.convolution import QuantisedConv2d
from training.quantisation.graph import int8_graph
from training.quantisation.stream import fold_batch_norms, quantise_stream
from training.random_model import random_model

SIDE = 64
CONFIG = ModelConfig(classes=4, backbone="tf_mobilenet_v2", hidden_width=8, input_size=SIDE)
FRAMES = moving_pattern(12, size_px=SIDE, flow_channels=20, seed=1).frames


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GESTA_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def stream() -> SpatialStream:
    return random_model(CONFIG).rgb


@pytest.fixture(scope="module")
def quantised(stream: SpatialStream) -> SpatialStream:
    return quantise_stream(stream, FRAMES)


@pytest.fixture(scope="module")
def graph(quantised: SpatialStream) -> onnx.ModelProto:
    return onnx.load_from_string(int8_graph(quantised, side=SIDE))


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A bundle, and its copy with int8 graphs."""
    folder = tmp_path_factory.mktemp("bundles")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GESTA_CACHE", str(folder / "cache"))
        random_bundle(folder / "plain", hidden_width=8, input_size=SIDE, classes=4)
        assert main(["quantise", str(folder / "plain"), "--drawn", "--out", str(folder / "8")]) == 0
    return folder / "plain", folder / "8"


@torch.no_grad()
def test_input_and_weights_are_rounded_to_steps_of_their_largest_part_by_127() -> None:
    convolution = nn.Conv2d(1, 2, 1)
    convolution.weight.copy_(torch.tensor([1.27, 0.333]).view(2, 1, 1, 1))
    assert convolution.bias is not None
    convolution.bias.zero_()
    layer = QuantisedConv2d(convolution)
    images = torch.tensor([[[[12.7, -3.14]]]])
    torch.testing.assert_close(layer(images)[0, 0], torch.tensor([[16.129, -3.9878]]))
    layer.quantise()
    layer(images)  # corrects the bias, so that the mean is what it was
    rounded = torch.tensor([[12.7, -3.1]])
    outputs = layer(images)[0]
    for channel, weight in enumerate((1.27, 0.333)):  # the largest of its channel: not rounded
        wanted = rounded * weight
        shift = weight * (torch.tensor([[12.7, -3.14]]) - rounded).mean()
        torch.testing.assert_close(outputs[channel], wanted + shift)


@torch.no_grad()
def test_the_bias_takes_back_what_rounded_weights_shift() -> None:
    """Filters whose weights cancel on even pictures: rounded, they don't."""
    torch.manual_seed(0)
    convolution = nn.Conv2d(8, 8, 3)
    assert convolution.bias is not None
    convolution.weight.sub_(convolution.weight.mean((1, 2, 3), keepdim=True))
    images = 6 + 0.01 * torch.randn(4, 8, 9, 9)
    layer = QuantisedConv2d(convolution)
    floats = layer(images).clone()
    layer.quantise()
    bias = convolution.bias.clone()
    layer(images)
    outputs, shift = layer(images), (convolution.bias - bias).view(-1, 1, 1)
    uncorrected = (outputs - shift - floats).mean((0, 2, 3))
    corrected = (outputs - floats).mean((0, 2, 3))
    assert uncorrected.abs().max() > 0.01
    assert corrected.abs().max() < 1e-5


@torch.no_grad()
def test_folded_batch_norms_change_nothing(stream: SpatialStream) -> None:
    folded = fold_batch_norms(stream)
    assert not [m for m in folded.modules() if isinstance(m, nn.BatchNorm2d)]
    for found, expected in zip(
        folded(torch.from_numpy(FRAMES)), stream(torch.from_numpy(FRAMES)), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_quantised_stream_is_near_the_one_it_was_made_from(
    stream: SpatialStream, quantised: SpatialStream
) -> None:
    unseen = torch.from_numpy(moving_pattern(8, size_px=SIDE, flow_channels=20, seed=2).frames)
    expected, found = stream(unseen)[0], quantised(unseen)[0]
    error = float((found - expected).norm() / expected.norm())
    assert 1e-3 < error < 0.1  # 8 bits were lost somewhere, and no more than that


def test_first_and_narrow_convolutions_stay_in_floats(quantised: SpatialStream) -> None:
    layers = [m for m in quantised.modules() if isinstance(m, QuantisedConv2d)]
    assert {layer.convolution.groups for layer in layers} == {1}
    assert min(layer.convolution.in_channels for layer in layers) >= 64
    assert not any(isinstance(m, QuantisedConv2d) for m in quantised.attention.modules())


def test_a_graph_has_int8_weights_with_a_scale_a_channel_and_no_offset(
    graph: onnx.ModelProto, quantised: SpatialStream
) -> None:
    assert [opset.version for opset in graph.opset_import] == [17]
    stored = {each.name: numpy_helper.to_array(each) for each in graph.graph.initializer}
    for node in graph.graph.node:
        if node.op_type == "Constant":
            stored[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    layers = [m for m in quantised.modules() if isinstance(m, QuantisedConv2d)]
    weights = [each for each in stored.values() if each.dtype == np.int8 and each.ndim == 4]
    assert len(weights) == len(layers)
    assert max(int(np.abs(each.astype(int)).max()) for each in weights) == 127
    counted = Counter(node.op_type for node in graph.graph.node)
    # An input is quantised and dequantised; weights are dequantised alone.
    assert counted["QuantizeLinear"] == len(layers)
    assert counted["DequantizeLinear"] == 2 * len(layers)
    for node in graph.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            zero = stored[node.input[2]]
            assert zero.dtype == np.int8  # TensorRT takes no other
            assert not zero.any()


def test_openvino_computes_the_convolutions_in_int8(bundles: tuple[Path, Path]) -> None:
    eight = Bundle.open(bundles[1])
    graphs = open_graphs(eight, "cpu", "int8", threads=1)
    requests = graphs.rgb._requests  # type: ignore[attr-defined]
    compiled = requests[1].get_compiled_model().get_runtime_model()
    kinds: Counter[str] = Counter()
    for node in compiled.get_ordered_ops():
        info = node.get_rt_info()
        if info["layerType"].astype(str) == "Convolution":
            kinds[info["primitiveType"].astype(str).rpartition("_")[2]] += 1
    stored = onnx.load_from_string(eight.graph("rgb", "int8")).graph.initializer
    weights = [each for each in stored if each.data_type == onnx.TensorProto.INT8 and each.dims[1:]]
    assert kinds["I8"] == len(weights) > 20
    assert graphs.precision == "int8"
    graphs.close()


def test_a_copy_is_the_bundle_with_two_graphs_more(bundles: tuple[Path, Path]) -> None:
    plain, eight = (Bundle.open(folder) for folder in bundles)
    before, after = plain.contents(), eight.contents()
    assert set(after) - set(before) == {"rgb.int8.onnx", "flow.int8.onnx"}
    assert all(after[name] == before[name] for name in before if name != "bundle.json")
    assert len(after["rgb.int8.onnx"]) < 0.6 * len(after["rgb.onnx"])
    tolerance = {**eight.manifest.tolerance}
    assert 0.02 <= tolerance.pop("int8") < 0.5
    assert tolerance == plain.manifest.tolerance
    assert eight.manifest.agreement == {}  # drawn: nothing was measured


def test_auto_never_takes_int8_and_a_bundle_without_it_is_a_sentence(
    bundles: tuple[Path, Path],
) -> None:
    plain, eight = (Bundle.open(folder) for folder in bundles)
    graphs = open_graphs(eight)
    assert graphs.precision in ("fp32", "bf16")
    graphs.close()
    with pytest.raises(DeviceMissing, match="no int8 graphs; use --precision fp32, or add them"):
        open_graphs(plain, "cpu", "int8")


def write_clips(folder: Path, count: int) -> Path:
    """Short clips of moving noise, all different."""
    folder.mkdir()
    for number in range(count):
        with av.open(str(folder / f"{number}.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 96, 72, "yuv420p"
            noise = np.random.default_rng(number).integers(0, 256, (9, 12, 3), np.uint8)
            picture = np.kron(noise, np.ones((8, 8, 1), np.uint8))
            for tick in range(6):
                moved = np.roll(picture, 2 * tick, axis=1)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
            container.mux(stream.encode(None))
    return folder


def test_a_folder_of_clips_calibrates_and_measures(
    bundles: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips, out = write_clips(tmp_path / "clips", 4), tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.quantisation.clips.IMAGES", 6)
        # Random weights decide by a hair; how often they agree is not what is tested here.
        patch.setattr("training.quantisation.bundle.FEWEST_AGREE", 0.0)
        given = ["quantise", str(bundles[0]), "--clips", str(clips), "--out", str(out)]
        assert main(given) == 0
        assert "% of 6 predictions name fp32's action" in " ".join(capsys.readouterr().err.split())
        assert set(Bundle.open(out).manifest.agreement) == {"int8"}
        # Nothing is left of one that isn't good enough.
        patch.setattr("training.quantisation.bundle.FEWEST_AGREE", 1.1)
        assert main([*given[:-1], str(tmp_path / "worse")]) == 4
        assert "do without int8" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "clips", "out"]


def test_too_few_clips_are_a_sentence(bundles: tuple[Path, Path], tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "clips", 3)
    assert main(["quantise", str(bundles[0]), "--clips", str(clips), "--out", "x"]) == 3
