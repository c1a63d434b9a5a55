"""A bundle and its model are one: what goes in comes out, and every graph gives torch's numbers."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from engine.bundle import Bundle, write_sums
from engine.device import open_graphs
from engine.errors import BundleCorrupt
from engine.graphs import Graphs
from training.errors import ExportError, OutputError
from training.export import export_bundle, load_bundle, make_manifest, random_bundle
from training.golden import moving_pattern
from training.model.build import ModelConfig
from training.model.key_frames import LaneStep
from training.model.sta_tsn import StaTsn
from training.onnx_export import cnn_to_onnx, head_to_onnx
from training.random_model import random_model

CONFIG = ModelConfig(
    classes=4,
    backbone="resnet18",
    hidden_width=16,
    input_size=64,
    spatial_gain=4.0,
    flow_downsampling=2,
)
FIELDS: dict[str, Any] = {
    "name": "tiny",
    "version": "1.2",
    "classes": ["idle", "jump", "run", "wave"],
    "resize": [80, 64],
    "grid_fps": 25.0,
    "sample_every": 5,
    "flows": {"dis": {"bound_px": 12.0, "accuracy": 0.5}},
    "licence": "Apache-2.0",
    "calibration": {"rgb": 1.5, "flow": 0.8, "fused": 1.2},
}


@pytest.fixture(scope="module")
def trained() -> StaTsn:
    return random_model(CONFIG, seed=3)


@pytest.fixture(scope="module")
def folder(trained: StaTsn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "bundle"
    export_bundle(trained, CONFIG, folder, manifest=FIELDS)
    return folder


@pytest.fixture(scope="module")
def shipped(folder: Path) -> StaTsn:
    return load_bundle(folder)


@pytest.fixture(scope="module")
def graphs(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graphs]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GESTA_CACHE", str(tmp_path_factory.mktemp("cache")))
        graphs = open_graphs(Bundle.open(folder), "cpu", "fp32", threads=1)
    yield graphs
    graphs.close()


def test_the_manifest_describes_the_model(folder: Path) -> None:
    manifest = Bundle.open(folder).manifest
    assert (manifest.name, manifest.version, manifest.classes[3]) == ("tiny", "1.2", "wave")
    assert (manifest.backbone, manifest.feature_width, manifest.hidden_width) == (
        "resnet18",
        512,
        16,
    )
    assert (manifest.segments, manifest.frames_per_segment, manifest.input_size) == (3, 10, 64)
    assert manifest.spatial_gain == 4.0
    assert manifest.flow_downsampling == 2
    assert manifest.window_s == 6.0  # 30 samples at 5 a second
    assert manifest.tolerance["fp32"] == 1e-4


def test_a_model_read_back_is_the_one_exported_rounded(trained: StaTsn, shipped: StaTsn) -> None:
    expected = trained.state_dict()
    found = shipped.state_dict()
    assert found.keys() == expected.keys()
    parameters = dict(trained.named_parameters())
    for name, value in expected.items():
        if name.endswith("num_batches_tracked"):
            continue
        rounded = value.half().float() if name in parameters and value.dim() >= 2 else value
        assert torch.equal(found[name], rounded), name
    assert any(not torch.equal(found[name], expected[name]) for name in expected)
    assert shipped.rgb.attention.gain == 4.0
    assert dataclasses.astuple(shipped.temperatures) == (1.5, 0.8, 1.2, "probabilities")
    assert not shipped.training


def test_graphs_are_what_the_design_says(folder: Path) -> None:
    shapes = {
        "rgb": {"frames": (2, [64, 64, 3]), "features": (1, [512]), "attention": (1, [2, 2])},
        # Pooled by 2: flow's map has half as many places a side.
        "flow": {"frames": (2, [20, 32, 32]), "features": (1, [512]), "attention": (1, [1, 1])},
    }
    head: dict[str, tuple[int, list[int]]] = {
        "features": (1, [512]),
        "lane": (6, []),
        "segment_scores": (1, [10, 4]),
        "logits": (1, [10]),
    }
    for name, shape in {"h": [10, 16], "c": [10, 16], "m": [10], "l": [10], "a": [10, 512]}.items():
        head[name] = head[f"{name}_out"] = (1, shape)
    for graph, expected in {**shapes, "rgb_head": head, "flow_head": head}.items():
        model = onnx.load(folder / f"{graph}.onnx")
        assert [opset.version for opset in model.opset_import] == [17]
        found = {}
        for value in (*model.graph.input, *model.graph.output):
            kind = value.type.tensor_type
            batch, *rest = kind.shape.dim
            assert batch.dim_param == "batch"
            found[value.name] = (kind.elem_type, [length.dim_value for length in rest])
        assert found == expected, graph  # 1 is float32, 2 uint8, 6 int32
        for stored in model.graph.initializer:
            half = onnx.TensorProto.FLOAT16
            assert (stored.data_type == half) == (len(stored.dims) >= 2), stored.name


@pytest.mark.parametrize("backbone", ["tf_mobilenet_v2", "resnet18"])
def test_devices_know_a_graphs_shapes_before_it_runs(backbone: str) -> None:
    """TensorRT reads no axes, and computes nothing ahead, that other nodes make of constants."""
    model = random_model(dataclasses.replace(CONFIG, backbone=backbone))
    for text in (
        cnn_to_onnx(model.rgb, side=64, flow_channels=20),
        cnn_to_onnx(model.flow, side=32, flow_channels=20),
        head_to_onnx(LaneStep(key_frames=model.rgb_head, lanes=10)),
    ):
        graph = onnx.load_from_string(text).graph
        constant = {stored.name for stored in graph.initializer}
        constant |= {node.output[0] for node in graph.node if node.op_type == "Constant"}
        for node in graph.node:
            if node.op_type in ("Gather", "Pad", "Reshape", "Slice", "Split", "Unsqueeze"):
                assert {*node.input[1:]} <= constant, node.name


def test_tensorflows_padding_is_the_convolutions_own() -> None:
    """So that no slice stands between it and what a device computes along with it."""
    model = random_model(dataclasses.replace(CONFIG, backbone="tf_mobilenet_v2"))
    graph = onnx.load_from_string(cnn_to_onnx(model.rgb, side=64, flow_channels=20)).graph
    assert "Slice" not in {node.op_type for node in graph.node}
    given = [
        {attribute.name: list(attribute.ints) for attribute in node.attribute}
        for node in graph.node
        if node.op_type == "Conv"
    ]
    # Of even sides all: 64 to 4 px.
    assert [each["pads"] for each in given if each["strides"] == [2, 2]] == [[0, 0, 1, 1]] * 5


@torch.no_grad()
def test_the_runner_gives_torchs_features_and_attention(graphs: Graphs, shipped: StaTsn) -> None:
    pattern = moving_pattern(5, size_px=64, flow_px=32, flow_channels=20, seed=8)
    for stream, runner, images in (
        (shipped.rgb, graphs.rgb, pattern.frames),
        (shipped.flow, graphs.flow, pattern.stacks),
    ):
        features, attention = stream(torch.from_numpy(images))
        outputs = runner.run({"frames": images})
        largest = float(features.abs().max())  # of sums that long, and of size 36 where pooled
        np.testing.assert_allclose(outputs["features"], features.numpy(), atol=1e-5 * largest)
        np.testing.assert_allclose(outputs["attention"], attention.numpy(), atol=1e-5)


@torch.no_grad()
def test_the_head_graph_gives_whole_segments(graphs: Graphs, shipped: StaTsn) -> None:
    """Two rows at different lanes, for long: each whole segment is the LSTM's over its samples."""
    features = torch.randn(2, 45, 512, generator=torch.Generator().manual_seed(1)) * 0.3 + 1
    lengths = {"h": (10, 16), "c": (10, 16), "m": (10,), "l": (10,), "a": (10, 512)}
    # Poison: whatever a lane held before it begins must not matter.
    state = {n: np.full((2, *shape), np.nan, np.float32) for n, shape in lengths.items()}
    offsets = np.array([0, 7], np.int32)  # the second camera began at another time
    compared = 0
    for t in range(45):
        lane = (t + offsets) % 10
        given = {"features": features[:, t].numpy(), "lane": lane.astype(np.int32), **state}
        outputs = graphs.rgb_head.run(given)
        state = {name: outputs[f"{name}_out"] for name in lengths}
        if t < 9:
            continue
        whole, _ = shipped.rgb_head(features[:, None, t - 9 : t + 1])
        for row in range(2):
            found = outputs["segment_scores"][row, (lane[row] + 1) % 10]
            np.testing.assert_allclose(found, whole[row, 0].numpy(), atol=1e-5)
            compared += 1
    assert compared == 72


@torch.no_grad()
def test_golden_numbers_are_the_shipped_models(folder: Path, shipped: StaTsn) -> None:
    golden = Bundle.open(folder).golden()
    assert golden["window_rgb"].shape == (35, 512)  # one window and five samples more
    features, attention = shipped.flow(torch.from_numpy(golden["flow_input"]))
    np.testing.assert_allclose(golden["flow_features"], features.numpy(), atol=1e-5)
    np.testing.assert_allclose(golden["flow_attention"], attention.numpy(), atol=1e-6)
    rolling = shipped.rolling_probabilities(
        torch.from_numpy(golden["window_rgb"]), torch.from_numpy(golden["window_flow"])
    )
    np.testing.assert_allclose(golden["window_probabilities"], rolling.probabilities, atol=1e-6)
    # Calibrated: with every temperature at 1 the numbers would be others.
    plain = (rolling.p_rgb + rolling.p_flow) / 2
    assert np.abs(golden["window_probabilities"] - plain.numpy()).max() > 1e-3


def test_random_weights_still_say_something(folder: Path) -> None:
    golden = Bundle.open(folder).golden()
    assert np.isfinite(golden["window_rgb"]).all()
    assert golden["window_probabilities"].std(axis=0).max() > 0.02


def test_given_samples_become_the_golden_inputs(trained: StaTsn, tmp_path: Path) -> None:
    pattern = moving_pattern(31, size_px=64, flow_px=32, flow_channels=20, seed=21)
    export_bundle(trained, CONFIG, tmp_path / "b", manifest=FIELDS, samples=pattern)
    golden = Bundle.open(tmp_path / "b").golden()
    np.testing.assert_array_equal(golden["rgb_input"], pattern.frames[:2])
    np.testing.assert_array_equal(golden["flow_input"], pattern.stacks[:2])
    assert len(golden["window_probabilities"]) == 31


def test_the_same_seed_gives_the_same_bundle(tmp_path: Path) -> None:
    for name in ("a", "b"):
        random_bundle(tmp_path / name, backbone="resnet18", hidden_width=4, input_size=32, seed=5)
    assert Bundle.open(tmp_path / "a").sha256 == Bundle.open(tmp_path / "b").sha256


def test_the_baseline_without_attention_can_be_shipped_too(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, spatial_attention=False)
    export_bundle(random_model(config), config, tmp_path / "cnn", manifest=FIELDS)
    model = load_bundle(tmp_path / "cnn")
    frames = torch.from_numpy(moving_pattern(1, size_px=64, flow_px=32, flow_channels=20).frames)
    _, attention = model.rgb(frames)
    torch.testing.assert_close(attention, torch.full((1, 2, 2), 0.25))


def test_a_place_that_holds_something_is_left_alone(trained: StaTsn, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(OutputError, match="already there"):
        export_bundle(trained, CONFIG, tmp_path, manifest=FIELDS)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_a_place_that_cannot_be_written_gets_a_sentence(trained: StaTsn, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="can't be written"):
        export_bundle(trained, CONFIG, tmp_path / "file" / "bundle", manifest=FIELDS)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hidden_width": 8}, "hidden_width = 8, but the model was built with 16"),
        ({"classes": ["a", "b"]}, "names 2 classes, but the model has 4"),
        ({"grid_fps": -1}, r"grid_fps"),
        ({"colour": "red"}, "colour"),
        ({"resize": [60, 60]}, "doesn't fit"),
    ],
)
def test_fields_that_do_not_hold_are_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ExportError, match=words):
        make_manifest(CONFIG, {**FIELDS, **change})


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ExportError, match="licence"):
        make_manifest(CONFIG, {key: value for key, value in FIELDS.items() if key != "licence"})


def copy_of(folder: Path, target: Path) -> Path:
    target.mkdir()
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def test_a_damaged_bundle_is_not_loaded(folder: Path, tmp_path: Path) -> None:
    damaged = copy_of(folder, tmp_path / "b")
    text = bytearray((damaged / "rgb_head.onnx").read_bytes())
    text[len(text) // 2] ^= 1
    (damaged / "rgb_head.onnx").write_bytes(text)
    with pytest.raises(BundleCorrupt, match="rgb_head"):
        load_bundle(damaged)


def test_graphs_of_another_model_are_refused(folder: Path, tmp_path: Path) -> None:
    other = copy_of(folder, tmp_path / "b")
    text = (other / "bundle.json").read_text()
    (other / "bundle.json").write_text(text.replace('"hidden_width": 16', '"hidden_width": 17'))
    write_sums(other)
    with pytest.raises(ExportError, match="don't hold the model"):
        load_bundle(other)


def test_a_graph_that_is_not_onnx_is_refused(folder: Path, tmp_path: Path) -> None:
    other = copy_of(folder, tmp_path / "b")
    (other / "flow.onnx").write_text("not a graph")
    write_sums(other)
    with pytest.raises(ExportError, match="not ONNX"):
        load_bundle(other)
