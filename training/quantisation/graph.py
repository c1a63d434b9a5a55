"""A stream in 8 bits -> its ONNX graph with Q/DQ nodes, as OpenVINO and TensorRT read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from training.model.build import FLOW_CHANNELS
from training.model.sta_tsn import SpatialStream
from training.onnx_export import traced_cnn, written


def int8_graph(stream: SpatialStream, *, side: int) -> bytes:
    """frames -> features, attention, as `onnx_export.cnn_to_onnx` has it; weights as int8.

    stream: from `quantise_stream`. side: of its images, in px.
    """
    model = traced_cnn(stream, side=side, flow_channels=FLOW_CHANNELS, constants_folded=True)
    _store_as_int8(model.graph)
    return written(model)


def _store_as_int8(graph: onnx.GraphProto) -> None:
    """Store weights as what QuantizeLinear would make of them; its DequantizeLinear stays."""
    constants = _constants(graph)
    stored = {initializer.name: initializer for initializer in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "QuantizeLinear"]:
        if node.input[0] not in stored:
            continue
        weights, scale = (constants[name] for name in node.input[:2])
        scale = scale.reshape(-1, *[1] * (weights.ndim - 1))  # of each output channel
        rounded = np.clip(np.rint(weights / scale), -128, 127).astype(np.int8)
        name = node.input[0]
        stored[name].CopyFrom(numpy_helper.from_array(rounded, node.output[0]))
        graph.node.remove(node)


def _constants(graph: onnx.GraphProto) -> Mapping[str, NDArray[Any]]:
    """Every array that a graph holds, by name."""
    constants = {stored.name: numpy_helper.to_array(stored) for stored in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return constants
