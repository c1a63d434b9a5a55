"""A graph small enough to know its answers by hand: frames [B,4] -> features [B,3]."""

import numpy as np
import pytest

from engine.runners.runner import ArraySpec, Signature

onnx = pytest.importorskip("onnx", reason="onnx writes the graphs: pip install .[training]")

WEIGHTS = np.random.default_rng(0).normal(0, 1, (4, 3)).astype(np.float32)
SIGNATURE = Signature(
    inputs={"frames": ArraySpec("uint8", (None, 4))},
    outputs={"features": ArraySpec("float32", (None, 3))},
)


def projection() -> bytes:
    """uint8 frames [B,4] -> features [B,3] = frames @ WEIGHTS."""
    helper = onnx.helper
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["frames"], ["x"], to=onnx.TensorProto.FLOAT),
            helper.make_node("MatMul", ["x", "weights"], ["features"]),
        ],
        "projection",
        [helper.make_tensor_value_info("frames", onnx.TensorProto.UINT8, ["B", 4])],
        [helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, ["B", 3])],
        [onnx.numpy_helper.from_array(WEIGHTS, "weights")],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def frames(rows):
    return np.random.default_rng(rows).integers(0, 256, (rows, 4), np.uint8)
