"""fp16 graphs: what is written, what it computes, and when it is refused."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import onnx
import openvino as ov
import pytest
import torch

from engine.bundle import Bundle
from training import half as halves
from training.cli import main
from training.export import random_bundle, read_bundle
from training.golden import moving_pattern
from training.half import half_stream, rounded_stream
from training.model.build import ModelConfig
from training.model.sta_tsn import SpatialStream
from training.onnx_export import cnn_to_onnx
from training.random_model import random_model

SIDE = 64
CONFIG = ModelConfig(classes=4, backbone="tf_mobilenet_v2", hidden_width=8, input_size=SIDE)
FRAMES = moving_pattern(2, size_px=SIDE, flow_channels=20, seed=1).frames


@pytest.fixture(scope="module")
def stream() -> SpatialStream:
    return random_model(CONFIG).rgb


@pytest.fixture(scope="module")
def text(stream: SpatialStream) -> bytes:
    return cnn_to_onnx(half_stream(stream), side=SIDE, flow_channels=20)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "plain"
    random_bundle(folder, hidden_width=8, input_size=SIDE, classes=4)
    return folder


def features(stream: SpatialStream) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(stream(torch.from_numpy(FRAMES))[0])


def test_every_convolution_of_the_backbone_is_fp16_and_attention_is_not(text: bytes) -> None:
    graph = onnx.shape_inference.infer_shapes(onnx.load_from_string(text)).graph
    types = {value.name: value.type.tensor_type.elem_type for value in graph.value_info}
    by_type = defaultdict[int, list[str]](list)
    for node in graph.node:
        if node.op_type in ("Conv", "Softmax"):
            by_type[types[node.output[0]]].append(node.op_type)
    assert by_type[onnx.TensorProto.FLOAT16] == ["Conv"] * 52  # MobileNetV2's
    assert by_type[onnx.TensorProto.FLOAT] == ["Conv"] * 4 + ["Softmax"]  # a level each
    assert [each.type.tensor_type.elem_type for each in (*graph.input, *graph.output)] == [
        onnx.TensorProto.UINT8,
        onnx.TensorProto.FLOAT,
        onnx.TensorProto.FLOAT,
    ]


def test_the_graph_computes_what_the_stream_does(stream: SpatialStream, text: bytes) -> None:
    exact = features(stream)
    fp32 = {"INFERENCE_PRECISION_HINT": "f32"}  # or it takes bf16 where the CPU has that
    compiled = ov.Core().compile_model(ov.Core().read_model(text, b""), "CPU", fp32)
    found = compiled({"frames": FRAMES})[0]
    assert 0 < np.abs(found - exact).max() < 5e-3 * np.abs(exact).max()


def test_what_fp16_costs_is_measured_by_rounding_between_layers(stream: SpatialStream) -> None:
    exact, half, rounded = map(features, (stream, half_stream(stream), rounded_stream(stream)))
    costs = np.abs(half - exact).max()
    assert costs / 3 < np.abs(rounded - exact).max() < costs * 3


def test_the_copy_has_both_graphs_and_all_that_was_there(plain: Path, tmp_path: Path) -> None:
    assert main(["halve", str(plain), "--out", str(tmp_path / "16")]) == 0
    one, other = Bundle.open(plain), Bundle.open(tmp_path / "16")
    assert (one.holds("fp16"), other.holds("fp16")) == (False, True)
    tolerated = other.manifest.tolerance["fp16"]
    assert other.manifest.tolerance == one.manifest.tolerance | {"fp16": tolerated}
    assert 0.005 <= tolerated <= 0.01
    was, now = one.contents(), other.contents()
    assert {name for name in now if name not in was} == {"rgb.fp16.onnx", "flow.fp16.onnx"}
    assert all(now[name] == was[name] for name in was if name != "bundle.json")


def test_a_network_whose_numbers_fp16_can_not_hold_is_refused(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model, config = read_bundle(plain)
    with torch.no_grad():
        next(model.rgb.backbone.parameters()).mul_(1e6)
    monkeypatch.setattr(halves, "read_bundle", lambda path: (model, config))
    assert main(["halve", str(plain), "--out", str(tmp_path / "16")]) == 4
    assert "this network needs fp32" in capsys.readouterr().err
    assert not (tmp_path / "16").exists()


def test_a_folder_that_is_there_is_left_alone(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").write_text("mine")
    assert main(["halve", str(plain), "--out", str(tmp_path)]) == 5
    assert "is already there" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]
