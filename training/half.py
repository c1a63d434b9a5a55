"""A bundle -> the same bundle with fp16 graphs, if they give the same answers.

TensorRT 8.6 and 10 compute an fp32 graph in fp16 where they are told to; 11 and later compute in
what a graph is written in.
"""

from __future__ import annotations

import copy
from pathlib import Path

import msgspec
import torch
from torch import Tensor

from engine.bundle import STREAMS, Bundle, write_sums
from training.errors import ExportError
from training.export import check_free, new_bundle, read_bundle
from training.golden import EXTRA_SAMPLES, Samples, moving_pattern, stream_outputs
from training.model.backbone import Backbone
from training.model.build import FLOW_CHANNELS, ModelConfig
from training.model.sta_tsn import SpatialStream, StaTsn
from training.onnx_export import cnn_to_onnx
from training.quantisation.stream import fold_batch_norms

# Of a probability: what fp16 may cost. A device rounds elsewhere, and may stray twice as far.
FURTHEST, _SLACK = 5e-3, 2.0


class HalfBackbone(Backbone):
    """A backbone that computes in fp16, between fp32 images and an fp32 map.

    The mean over the map and the attention's softmax, which come after it, stay in fp32.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__(body=backbone.body.half(), width=backbone.width)

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.half()).float()


def half_stream(stream: SpatialStream) -> SpatialStream:
    """A copy in eval mode whose backbone computes in fp16, its batch norms folded before that."""
    folded = fold_batch_norms(stream)
    folded.backbone = HalfBackbone(folded.backbone)
    return folded


def rounded_stream(stream: SpatialStream) -> SpatialStream:
    """What `half_stream` gives on a GPU: fp16 between the layers, and sums in fp32 within them.

    Few CPUs compute in fp16; this one is as fast as any stream.
    """
    folded = fold_batch_norms(stream)
    for module in folded.backbone.modules():
        if not any(module.children()):
            module.half().float()
            module.register_forward_hook(lambda _module, _inputs, output: output.half().float())
    return folded


def add_fp16(bundle: Bundle, folder: Path) -> float:
    """Write a copy of `bundle` with fp16 graphs into `folder`, which must not hold anything yet.

    Returns the largest difference of a probability to fp32's, on a moving pattern.

    Raises:
        ExportError: it is too large. OutputError: the folder can't be written.
        EngineError: the bundle can't be used.
    """
    check_free(folder)
    model, config = read_bundle(bundle.path)
    drift = _drift(model, config)
    if not drift <= FURTHEST:  # nor a number that isn't one
        raise ExportError(
            f"In fp16 a probability differs by {drift:.1e} from fp32's, and {FURTHEST:g} is "
            "allowed: this network needs fp32."
        )
    manifest = bundle.manifest
    tolerance = max(FURTHEST, round(_SLACK * drift, 4))
    described = msgspec.structs.replace(
        manifest, tolerance={**manifest.tolerance, "fp16": tolerance}
    )
    with new_bundle(folder) as part:
        for name, text in bundle.contents().items():
            (part / name).write_bytes(text)
        for name, side in zip(STREAMS, (config.input_size, config.flow_size), strict=True):
            half = half_stream(getattr(model, name))
            text = cnn_to_onnx(half, side=side, flow_channels=FLOW_CHANNELS)
            (part / f"{name}.fp16.onnx").write_bytes(text)
        (part / "bundle.json").write_bytes(described.encode())
        write_sums(part)
    return drift


def _drift(model: StaTsn, config: ModelConfig) -> float:
    """The largest difference of a probability, over one window and a few samples more."""
    samples = moving_pattern(
        config.window + EXTRA_SAMPLES,
        size_px=config.input_size,
        flow_px=config.flow_size,
        flow_channels=FLOW_CHANNELS,
    )
    rounded = copy.deepcopy(model)
    for name in STREAMS:
        setattr(rounded, name, rounded_stream(getattr(model, name)))
    exact, near = (_probabilities(each, samples) for each in (model, rounded))
    return float((exact - near).abs().max())


def _probabilities(model: StaTsn, samples: Samples) -> Tensor:
    rgb, _ = stream_outputs(model.rgb, samples.frames)
    flow, _ = stream_outputs(model.flow, samples.stacks)
    with torch.no_grad():
        return model.rolling_probabilities(rgb, flow).probabilities
