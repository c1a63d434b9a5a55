"""Weights that are stored as fp16 reach TensorRT's parser as fp32, and nothing else changes."""

import sys

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="this reads graphs by onnx, of gesta[gpu]")

from onnx import helper, numpy_helper  # noqa: E402

from engine.bundle import GRAPHS, Bundle  # noqa: E402
from engine.errors import DeviceMissing  # noqa: E402
from engine.tensorrt.weights import plain_weights  # noqa: E402
from tests.engine.tensorrt.fake_network import INetworkDefinition, OnnxParser  # noqa: E402

HALF, FLOAT = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT


def graph(nodes, **stored):
    """Of one input x [n,2] and one output y [n,2]."""
    ends = [helper.make_tensor_value_info(name, FLOAT, ["n", 2]) for name in "xy"]
    initializers = [numpy_helper.from_array(array, name) for name, array in stored.items()]
    made = helper.make_graph(nodes, "g", ends[:1], ends[1:], initializers)
    text = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(text)
    return text.SerializeToString()


def test_a_cast_of_stored_weights_is_stored_in_their_place():
    weights = np.array([[1.5, -2.25], [0.1, 7.0]], np.float16)
    nodes = [
        helper.make_node("Cast", ["w"], ["w32"], to=FLOAT),
        helper.make_node("MatMul", ["x", "w32"], ["y"]),
    ]
    found = onnx.load_from_string(plain_weights(graph(nodes, w=weights)))
    onnx.checker.check_model(found)
    assert [node.op_type for node in found.graph.node] == ["MatMul"]
    stored = {each.name: numpy_helper.to_array(each) for each in found.graph.initializer}
    assert stored["w32"].dtype == np.float32
    assert np.array_equal(stored["w32"], weights)


def test_weights_that_are_taken_as_they_are_too_stay():
    nodes = [
        helper.make_node("Cast", ["w"], ["w32"], to=FLOAT),
        helper.make_node("MatMul", ["x", "w32"], ["z"]),
        helper.make_node("Cast", ["z"], ["z16"], to=HALF),
        helper.make_node("MatMul", ["z16", "w"], ["y16"]),
        helper.make_node("Cast", ["y16"], ["y"], to=FLOAT),
    ]
    before = graph(nodes, w=np.eye(2, dtype=np.float16))
    found = onnx.load_from_string(plain_weights(before)).graph
    # Casts of what is computed are the graph's own.
    assert [node.op_type for node in found.node] == ["MatMul", "Cast", "MatMul", "Cast"]
    assert {stored.name for stored in found.initializer} == {"w", "w32"}


def test_what_is_no_graph_is_left_to_the_parser():
    assert plain_weights(b"no graph") == b"no graph"


def test_without_onnx_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(DeviceMissing, match=r"pip install onnx.*--device cpu"):
        plain_weights(b"")


@pytest.mark.parametrize("name", GRAPHS)
def test_the_parser_can_read_the_built_in_bundle(name):
    text = plain_weights(Bundle.open("default").graph(name, "fp32"))
    parser = OnnxParser(INetworkDefinition(), logger=None)
    assert parser.parse(text), parser.get_error(0).desc()
    read = onnx.load_from_string(text).graph
    stored = {each.name: each.data_type for each in read.initializer}
    for node in read.node:
        if node.op_type == "Conv":
            assert stored[node.input[1]] == FLOAT
