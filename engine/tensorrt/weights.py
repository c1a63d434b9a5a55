"""Weights as TensorRT's parser wants them; the one file of the engine that imports onnx."""

from __future__ import annotations

import numpy as np

from engine.errors import DeviceMissing

# Raise it with each change of what `plain_weights` makes of a graph: plans that were built from
# what it made before are then built again.
WEIGHTS_VERSION = 1


def plain_weights(model: bytes) -> bytes:
    """The same graph, with weights that are stored as fp16 and cast to fp32 stored as fp32, too.

    A bundle stores its large weights as fp16, to be small. To the parser a cast is a layer, so that
    a convolution has no weights, but an input that is known when it runs.

    What is no ONNX comes back as it is: the parser says so best.
    Raises DeviceMissing without the package onnx.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise DeviceMissing(
            f"TensorRT's graphs need onnx ({error}); `pip install onnx` (it comes with "
            "gesta[gpu]), or use --device cpu"
        ) from error
    try:
        text = onnx.load_from_string(model)
    except DecodeError:
        return model
    half, single = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    stored = {each.name: each for each in text.graph.initializer if each.data_type == half}
    for node in list(text.graph.node):
        if node.op_type != "Cast" or node.input[0] not in stored or node.attribute[0].i != single:
            continue
        weights = onnx.numpy_helper.to_array(stored[node.input[0]]).astype(np.float32)
        text.graph.initializer.append(onnx.numpy_helper.from_array(weights, node.output[0]))
        text.graph.node.remove(node)
    return bytes(text.SerializeToString())
