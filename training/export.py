"""A trained model to a bundle, and a bundle back to a model.

The weights of a bundle are rounded (`training.onnx_export.round_weights`), so a model that was
read back, not the one that was trained, is the reference for everything the daemon computes.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from torch import Tensor

from engine.bundle import Bundle, Manifest, write_sums
from training.errors import ExportError, OutputError, TrainingError
from training.golden import EXTRA_SAMPLES, Samples, golden_vectors, moving_pattern
from training.model.build import FLOW_CHANNELS, ModelConfig, build
from training.model.consensus import Temperatures
from training.model.key_frames import LaneStep
from training.model.sta_tsn import StaTsn
from training.onnx_export import cnn_to_onnx, head_to_onnx, read_parameters, round_weights
from training.random_model import random_model

# The largest difference of a probability that an engine may show. bf16 keeps 8 bits of each
# activation; what that costs is measured for each shipped bundle, and may be stated tighter.
TOLERANCE = {"fp32": 1e-4, "bf16": 0.05}

NO_GRID = (
    "These clips keep their native rate, and a bundle needs a grid, which streams are put on: "
    "give `prepared.grid_fps` a number, then prepare and train again."
)

_GRAPHS = {"rgb": "rgb.", "flow": "flow.", "rgb_head": "rgb_head.", "flow_head": "flow_head."}
_STEP = "key_frames."  # a head's parameters lie one level down in its lane step


def export_bundle(
    model: StaTsn,
    config: ModelConfig,
    folder: Path,
    *,
    manifest: Mapping[str, Any],
    samples: Samples | None = None,
) -> Manifest:
    """Write `model` as a bundle into `folder`, which must not hold anything yet.

    Args:
        model: built from `config`; it stays as it is.
        manifest: the fields of `engine.manifest.Manifest` that `config` doesn't know: name,
            version, classes, resize, grid_fps, sample_every, flows, licence, and any others.
        samples: that the golden vectors are made of, one window and a few more at least; a
            drawn pattern where nothing is given.

    Raises:
        ExportError: the fields don't make a manifest. OutputError: the folder can't be written.
    """
    described = make_manifest(config, manifest)
    shipped = copy.deepcopy(model).cpu().float().eval()
    round_weights(shipped)
    calibration = described.calibration
    shipped.temperatures = Temperatures(**msgspec.structs.asdict(calibration))
    if samples is None:
        samples = moving_pattern(
            config.window + EXTRA_SAMPLES,
            size_px=config.input_size,
            flow_px=config.flow_size,
            flow_channels=FLOW_CHANNELS,
        )
    with new_bundle(folder) as part:
        for name, text in _graphs(shipped, config).items():
            (part / f"{name}.onnx").write_bytes(text)
        golden: dict[str, Any] = golden_vectors(shipped, samples)
        np.savez_compressed(part / "golden.npz", **golden)
        (part / "bundle.json").write_bytes(described.encode())
        write_sums(part)
    return described


@contextmanager
def new_bundle(folder: Path) -> Iterator[Path]:
    """A folder to write to that becomes `folder` at the end: a bundle appears whole or not at all.

    Raises OutputError where it can't be written, or there is something already.
    """
    folder = folder.resolve()
    check_free(folder)
    part = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        yield part
        if folder.exists():
            folder.rmdir()
        part.rename(folder)
    except OSError as error:
        raise OutputError(
            f"{folder} can't be written ({error.strerror}): choose another place, or make room."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def check_free(folder: Path) -> None:
    """Raises OutputError where there is something already."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} is already there: choose another place, or remove it first.")


def make_manifest(config: ModelConfig, fields: Mapping[str, Any]) -> Manifest:
    """bundle.json of a model of this configuration, with the other `fields` given.

    Raises:
        ExportError: a missing, unknown or impossible field, or one that contradicts `config`.
    """
    whole = {
        "backbone": config.backbone,
        "segments": config.segments,
        "frames_per_segment": config.frames_per_segment,
        "feature_width": config.feature_width,
        "hidden_width": config.hidden_width,
        "input_size": config.input_size,
        "spatial_gain": config.spatial_gain,
        "flow_downsampling": config.flow_downsampling,
    }
    if twice := sorted(key for key in set(whole) & set(fields) if fields[key] != whole[key]):
        raise ExportError(
            f"The manifest says {twice[0]} = {fields[twice[0]]}, but the model was built with "
            f"{whole[twice[0]]}: leave {twice[0]} out of the manifest."
        )
    if fields.get("grid_fps") == "native":
        raise ExportError(NO_GRID)
    try:
        described = msgspec.convert({"tolerance": TOLERANCE, **fields, **whole}, Manifest)
    except msgspec.ValidationError as error:
        raise ExportError(f"The manifest does not hold: {error}. Correct that field.") from error
    if len(described.classes) != config.classes:
        raise ExportError(
            f"The manifest names {len(described.classes)} classes, but the model has "
            f"{config.classes}: name each of them once."
        )
    return described


def load_bundle(path: str | Path) -> StaTsn:
    """The torch model of a bundle (a folder, a .zip or a built-in name), in eval mode.

    Raises:
        engine.errors.BundleError: no such bundle, or a damaged one.
        ExportError: its graphs don't hold the parameters of the model that it describes.
    """
    return read_bundle(path)[0]


def read_bundle(path: str | Path) -> tuple[StaTsn, ModelConfig]:
    """`load_bundle`, and the configuration that builds such a model."""
    bundle = Bundle.open(path)
    described = bundle.manifest
    state: dict[str, Tensor] = {}
    for graph, prefix in _GRAPHS.items():
        for name, value in read_parameters(bundle.graph(graph)).items():
            state[prefix + name.removeprefix(_STEP)] = value
    try:
        config = ModelConfig(
            classes=len(described.classes),
            backbone=described.backbone,
            hidden_width=described.hidden_width,
            input_size=described.input_size,
            segments=described.segments,
            frames_per_segment=described.frames_per_segment,
            spatial_attention="rgb.attention.bias" in state,
            spatial_gain=described.spatial_gain,
            rgb_mean=_decimals(state["rgb.mean"]),
            rgb_std=_decimals(state["rgb.std"]),
            flow_mean=_decimals(state["flow.mean"]),
            flow_std=_decimals(state["flow.std"]),
            flow_downsampling=described.flow_downsampling,
        )
        calibration = described.calibration
        temperatures = Temperatures(**msgspec.structs.asdict(calibration))
        model = build(config, temperatures=temperatures).eval()
        # The count of batches that batch norm has seen is of use in training only.
        counts = {k: v for k, v in model.state_dict().items() if k.endswith("num_batches_tracked")}
        model.load_state_dict({**counts, **state}, strict=True)
    except (KeyError, ValueError, RuntimeError) as error:
        raise ExportError(
            f"The graphs of {bundle.path} don't hold the model that its bundle.json describes "
            f"({str(error).splitlines()[-1].strip()}): export it again with this version."
        ) from error
    return model, config


def random_bundle(
    folder: Path,
    *,
    backbone: str = "mobilenet_v2",
    hidden_width: int = 256,
    input_size: int = 160,
    classes: int = 22,
    sample_every: int = 1,
    grid_fps: float = 25.0,
    seed: int = 0,
    name: str = "random",
    version: str = "0",
) -> Manifest:
    """Write a bundle of `training.random_model`: right in every shape, and of no use otherwise.

    Raises:
        TrainingError: there is no such model, or the folder can't be written.
    """
    try:
        config = ModelConfig(
            classes=classes, backbone=backbone, hidden_width=hidden_width, input_size=input_size
        )
    except ValueError as error:
        raise TrainingError(f"There is no such model: {error}.") from error
    fields = {
        "name": name,
        "version": version,
        "classes": [f"class_{number:02d}" for number in range(classes)],
        "resize": [input_size * 7 // 5, input_size * 11 // 10],  # 224 x 176 for 160
        "grid_fps": grid_fps,
        "sample_every": sample_every,
        "flows": {"dis": {"bound_px": 12.0}},
        "licence": "Apache-2.0",
        "attribution": ["random weights"],
    }
    model = random_model(config, seed=seed)
    return export_bundle(model, config, folder, manifest=fields)


def _decimals(values: Tensor) -> tuple[float, ...]:
    """fp32 numbers as somebody wrote them: 57.6, and not 57.599998."""
    return tuple(float(str(value)) for value in values.numpy())


def _graphs(model: StaTsn, config: ModelConfig) -> dict[str, bytes]:
    """The four graphs of a bundle by name."""
    lanes = config.frames_per_segment
    return {
        "rgb": cnn_to_onnx(model.rgb, side=config.input_size, flow_channels=FLOW_CHANNELS),
        "flow": cnn_to_onnx(model.flow, side=config.flow_size, flow_channels=FLOW_CHANNELS),
        "rgb_head": head_to_onnx(LaneStep(key_frames=model.rgb_head, lanes=lanes)),
        "flow_head": head_to_onnx(LaneStep(key_frames=model.flow_head, lanes=lanes)),
    }
