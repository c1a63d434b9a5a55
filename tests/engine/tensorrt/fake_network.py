"""The network's part of the stand-in for TensorRT (`fake_tensorrt`): what is parsed from ONNX."""

import enum

import numpy as np
import onnx


class DataType(enum.Enum):
    """Its values are NumPy's types here."""

    UINT8, INT32, FLOAT, HALF = np.uint8, np.int32, np.float32, np.float16
    INT64, BOOL, INT8 = np.int64, np.bool_, np.int8

    @property
    def itemsize(self):
        return np.dtype(self.value).itemsize


class ITensor:
    def __init__(self, name, shape, dtype):
        self.name, self.shape, self.dtype = name, shape, dtype


class ILayer:
    def __init__(self, taken, given):
        self._taken, self._given = taken, given
        self.num_inputs, self.num_outputs = len(taken), len(given)

    def get_input(self, index):
        return self._taken[index]

    def get_output(self, index):
        return self._given[index]


class INetworkDefinition:
    def __init__(self, typed=False):
        self._typed, self._model = typed, b""
        self.num_inputs = self.num_outputs = self.num_layers = 0

    def get_input(self, index):
        return self._inputs[index]

    def get_output(self, index):
        return self._outputs[index]

    def get_layer(self, index):
        return self._layers[index]

    def _fill(self, text):
        graph = onnx.shape_inference.infer_shapes(onnx.load_from_string(text)).graph
        _refuse_unknown_axes(graph)
        known = {each.name: each for each in (*graph.input, *graph.output, *graph.value_info)}

        def tensor(name):
            if name not in known:
                return ITensor(name, (), DataType.FLOAT)
            typed = known[name].type.tensor_type
            shape = tuple(-1 if d.dim_param else d.dim_value for d in typed.shape.dim)
            return ITensor(
                name,
                shape,
                DataType(onnx.helper.tensor_dtype_to_np_dtype(typed.elem_type).type),
            )

        self._layers = [
            ILayer([], [ITensor(each.name, tuple(each.dims), DataType.FLOAT)])
            for each in graph.initializer
        ] + [
            ILayer([tensor(n) if n else None for n in node.input], [tensor(n) for n in node.output])
            for node in graph.node
        ]
        self._inputs = [tensor(each.name) for each in graph.input]
        self._outputs = [tensor(each.name) for each in graph.output]
        self._model = text
        self.num_inputs, self.num_outputs = len(self._inputs), len(self._outputs)
        self.num_layers = len(self._layers)


class UnknownAxesError(Exception):
    """As the parser puts it, of 8.6 at least."""


def _refuse_unknown_axes(graph):
    """Axes that are no constant in the file: what others make of constants isn't known to it."""
    constant = {each.name for each in graph.initializer}
    constant |= {node.output[0] for node in graph.node if node.op_type == "Constant"}
    for node in graph.node:
        if node.op_type == "Slice" and not {*node.input[3:4]} <= constant:
            raise UnknownAxesError(
                "Assertion failed: (axes.allValuesKnown()) && "
                '"This version of TensorRT does not support dynamic axes."'
            )


class ParserError:
    def __init__(self, words):
        self._words = words

    def desc(self):
        return self._words


class OnnxParser:
    def __init__(self, network, logger):
        self._network, self._errors = network, []

    num_errors = property(lambda self: len(self._errors))

    def parse(self, model):
        try:
            self._network._fill(model)
        except UnknownAxesError as error:
            self._errors.append(ParserError(f"{error}\n"))
        except Exception:  # noqa: BLE001
            self._errors.append(ParserError("Failed to parse the ONNX model.\n"))
        return not self._errors

    def get_error(self, index):
        return self._errors[index]


class IOptimizationProfile:
    def __init__(self):
        self._shapes = {}

    def set_shape(self, input, min, opt, max):  # noqa: A002
        assert min == opt == max, "kernels are chosen for one size"
        self._shapes[input] = min
