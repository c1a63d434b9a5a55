"""The engine's part of the stand-in for TensorRT (`fake_tensorrt`): what runs, by OpenVINO."""

import base64
import enum
from functools import cache

import numpy as np
from openvino import Core

from tests.engine.tensorrt.fake_network import INetworkDefinition

SCRATCH_BYTES = 512  # that a context works in

TensorIOMode = enum.Enum("TensorIOMode", "INPUT OUTPUT")
ExecutionContextAllocationStrategy = enum.Enum(
    "ExecutionContextAllocationStrategy", "STATIC USER_MANAGED"
)


@cache
def _compiled(model):
    core = Core()
    return core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


class IExecutionContext:
    def __init__(self, engine):
        self._engine = engine
        self._scratch = self._profile = None
        self._shapes, self._addresses = {}, {}

    def set_optimization_profile_async(self, profile_index, stream_handle):
        self._engine._driver.require_current()
        self._profile = self._engine._plan["profiles"][profile_index]
        return stream_handle in self._engine._driver.streams

    def set_input_shape(self, name, shape):
        if self._profile is None or list(shape) != self._profile[name]:
            return self._engine._refuse(f"{name} {shape} is not of the profile")
        self._shapes[name] = tuple(shape)
        return True

    def get_tensor_shape(self, name):
        (batch,) = {shape[0] for shape in self._shapes.values()}
        return tuple(batch if n < 0 else n for n in self._engine.get_tensor_shape(name))

    def set_tensor_address(self, name, memory):
        self._addresses[name] = memory
        return name in self._engine._types

    def execute_async_v3(self, stream_handle):
        driver, engine = self._engine._driver, self._engine
        driver.require_current()
        if engine._trt.refuses_to_run:
            return engine._refuse("Cuda Runtime (unspecified launch failure)")
        if self._scratch not in driver.allocated or set(self._addresses) != set(engine._types):
            return engine._refuse("memory is not bound")
        if set(self._shapes) != set(engine._inputs):
            return engine._refuse("shapes are not set")
        stream = driver.streams[stream_handle]
        if engine._trt.refuses_capture and stream.captured is not None:
            return engine._refuse("operation not permitted when stream is capturing")
        stream.put(self._run)
        return True

    def _run(self):
        engine, there = self._engine, self._engine._driver.array
        given = {
            name: there(self._addresses[name], self._shapes[name], engine._types[name])
            for name in engine._inputs
        }
        engine._trt.ran.append(len(given[engine._inputs[0]]))
        results = _compiled(engine._model)(given)
        for name in engine._outputs:
            result = results[name] + engine._plan["drift"] * (name == "features")
            there(self._addresses[name], result.shape, np.float32)[...] = result


class NewContext(IExecutionContext):
    """Of 10 and 11."""

    def set_device_memory(self, memory, size):
        assert size >= SCRATCH_BYTES
        self._scratch = memory


class OldContext(IExecutionContext):
    """Of 8.6."""

    device_memory = property(
        lambda self: self._scratch, lambda self, address: setattr(self, "_scratch", address)
    )


class ICudaEngine:
    def __init__(self, trt, plan):
        self._trt, self._driver, self._plan = trt, trt._driver, plan
        self._model = base64.b64decode(plan["model"])
        network = INetworkDefinition()
        network._fill(self._model)
        tensors = [*network._inputs, *network._outputs]
        self._tensors = {each.name: each for each in tensors}
        self._types = {each.name: each.dtype.value for each in tensors}
        self._inputs = [each.name for each in network._inputs]
        self._outputs = [each.name for each in network._outputs]

    num_io_tensors = property(lambda self: len(self._tensors))

    def get_tensor_name(self, index):
        return list(self._tensors)[index]

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name in self._inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name):
        return self._tensors[name].dtype

    def get_tensor_shape(self, name):
        return self._tensors[name].shape

    def _refuse(self, words):
        self._trt._say(words)
        return False


class NewEngine(ICudaEngine):
    """Of 10 and 11."""

    device_memory_size_v2 = SCRATCH_BYTES

    def create_execution_context(self, strategy):
        assert strategy is ExecutionContextAllocationStrategy.USER_MANAGED
        return NewContext(self)


class OldEngine(ICudaEngine):
    """Of 8.6."""

    device_memory_size = SCRATCH_BYTES

    def create_execution_context_without_device_memory(self):
        return OldContext(self)
