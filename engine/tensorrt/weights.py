"""Weights as TensorRT's parser wants them; the one file of the engine that imports onnx."""

from __future__ import annotations

import numpy as np

from engine.errors import DeviceMissing


def plain_weights(model: bytes) -> bytes:
    """The same graph, with each stored weight that a Cast follows stored as what it is cast to.

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
    stored = {each.name: each for each in text.graph.initializer}
    casts = [node for node in text.graph.node if node.op_type == "Cast" and node.input[0] in stored]
    for cast in casts:
        [to] = [each.i for each in cast.attribute if each.name == "to"]
        kind = onnx.helper.tensor_dtype_to_np_dtype(to)
        weights = onnx.numpy_helper.to_array(stored[cast.input[0]]).astype(np.dtype(kind))
        text.graph.initializer.append(onnx.numpy_helper.from_array(weights, cast.output[0]))
        text.graph.node.remove(cast)
    taken = {name for node in text.graph.node for name in node.input}
    for name in {cast.input[0] for cast in casts} - taken:
        text.graph.initializer.remove(stored[name])
    return bytes(text.SerializeToString())
