"""Modules to ONNX and their parameters back out of it.

Opset 17 by the tracing exporter: every consumer of a bundle reads it, TensorRT 8.6 included.
Initialisers keep the names of the module's parameters, so a graph is also its own checkpoint.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.jit import TracerWarning  # type: ignore[attr-defined]

from training.errors import ExportError
from training.model.key_frames import LaneStep
from training.model.sta_tsn import SpatialStream

OPSET = 17
BATCH = "batch"  # the name of the one dynamic axis, the first of every input and output

CNN_OUTPUTS = ("features", "attention")
HEAD_INPUTS = ("features", "lane", "h", "c", "m", "l", "a")
HEAD_OUTPUTS = ("h_out", "c_out", "m_out", "l_out", "a_out", "segment_scores", "logits")


def cnn_to_onnx(stream: SpatialStream, *, side: int, flow_channels: int) -> bytes:
    """frames uint8 [B, S, S, 3], or [B, flow_channels, S, S] -> features, attention."""
    return written(traced_cnn(stream, side=side, flow_channels=flow_channels))


def traced_cnn(
    stream: SpatialStream, *, side: int, flow_channels: int, constants_folded: bool = False
) -> onnx.ModelProto:
    """The same graph, before it is `written`.

    constants_folded: what is computed from constants alone becomes one, and parameters may change
        their names: for a graph that is nobody's checkpoint.
    """
    size = (side, side)
    shape = (2, *size, 3) if stream.channels_last else (2, flow_channels, *size)
    frames = torch.zeros(shape, dtype=torch.uint8)
    return _traced(
        stream,
        (frames,),
        inputs=("frames",),
        outputs=CNN_OUTPUTS,
        constants_folded=constants_folded,
    )


def head_to_onnx(step: LaneStep) -> bytes:
    """One lane step; shapes as in `LaneStep.forward`, which HEAD_INPUTS names in its order."""
    state = step.start(2)
    features = state.a.new_zeros(2, state.a.shape[-1])
    lane = torch.zeros(2, dtype=torch.int32)
    arguments = (features, lane, *state)
    return written(_traced(step, arguments, inputs=HEAD_INPUTS, outputs=HEAD_OUTPUTS))


def written(model: onnx.ModelProto) -> bytes:
    """The text of a graph, its large weights stored as fp16."""
    _store_as_fp16(model)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _traced(
    module: nn.Module,
    arguments: tuple[Tensor, ...],
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    constants_folded: bool = False,
) -> onnx.ModelProto:
    """`module`, in eval mode, as ONNX with a dynamic batch."""
    module.eval()
    with torch.no_grad():
        results = module(*arguments)
    mode = torch.onnx.TrainingMode
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "graph.onnx"
        # The tracing exporter announces its successor, which writes opset 18 and later only.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        # The map's side becomes a Python number: it is fixed by that of the input.
        warnings.filterwarnings("ignore", category=TracerWarning)
        torch.onnx.export(
            module,
            arguments,
            file,
            dynamo=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: {0: BATCH} for name in (*inputs, *outputs)},
            # Unless it may be: nothing fused or merged, and each parameter under its own name.
            training=mode.EVAL if constants_folded else mode.PRESERVE,
            do_constant_folding=constants_folded,
            keep_initializers_as_inputs=True,
        )
        graph = onnx.load(file)
    _keep_inputs(graph, inputs)
    for output, result in zip(graph.graph.output, results, strict=True):
        dimensions = output.type.tensor_type.shape.dim
        for dimension, length in zip(dimensions[1:], result.shape[1:], strict=True):
            dimension.dim_value = length  # the exporter leaves some of them open
    return graph


def round_weights(module: nn.Module) -> None:
    """Round in place to what a bundle stores: parameters of two and more dimensions to fp16."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.dim() >= 2:
                parameter.copy_(parameter.half().float())


def read_parameters(text: bytes) -> dict[str, Tensor]:
    """Every initialiser of a graph by its name, as fp32: a module's state dict.

    Raises:
        ExportError: not an ONNX graph.
    """
    try:
        graph = onnx.load_from_string(text).graph
    except Exception as error:  # protobuf's own, which is no public type
        raise ExportError("A graph of the bundle is not ONNX: export the bundle again.") from error
    return {
        stored.name: torch.from_numpy(numpy_helper.to_array(stored).astype(np.float32))
        for stored in graph.initializer
    }


def _keep_inputs(model: onnx.ModelProto, names: Sequence[str]) -> None:
    """Make constants of the initialisers that the exporter also listed as inputs."""
    kept = [value for value in model.graph.input if value.name in names]
    del model.graph.input[:]
    model.graph.input.extend(kept)


def _store_as_fp16(model: onnx.ModelProto) -> None:
    """Store initialisers of two and more dimensions as fp16, each with a cast to fp32 behind it."""
    casts: dict[str, str] = {}
    for stored in model.graph.initializer:
        if stored.data_type == onnx.TensorProto.FLOAT and len(stored.dims) >= 2:
            half = numpy_helper.to_array(stored).astype(np.float16)
            stored.CopyFrom(numpy_helper.from_array(half, stored.name))
            casts[stored.name] = f"{stored.name}.fp32"
    for node in model.graph.node:
        for position, name in enumerate(node.input):
            node.input[position] = casts.get(name, name)
    nodes = [
        onnx.helper.make_node(
            "Cast", [name], [cast], name=f"{name}.cast", to=onnx.TensorProto.FLOAT
        )
        for name, cast in casts.items()
    ]
    ordered = [*nodes, *model.graph.node]  # every cast before its use
    del model.graph.node[:]
    model.graph.node.extend(ordered)
