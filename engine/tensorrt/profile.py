"""One profile of an engine, with all that it needs: what runs a batch of one size."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.arrays import AnyArray
from engine.cuda.gpu import Memory, Stream
from engine.runners.runner import ArraySpec, Signature
from engine.tensorrt.library import TensorRT

_TIMED_RUNS = 3


class Profile:
    """A context whose shapes are settled and whose addresses are bound, once.

    Nothing is allocated afterwards: a run copies, computes, and copies. The GPU must be current
    for all of it, the closing too.

    index: of the profile in the engine, whose batch is `batch`. scratch: memory for its
    computation, which contexts that never run at once may share. memory: of each input and output
    on the GPU.

    Raises DeviceFull, DeviceFailed or GraphMismatch.
    """

    def __init__(
        self,
        tensorrt: TensorRT,
        engine: Any,
        *,
        name: str,
        signature: Signature,
        index: int,
        batch: int,
        scratch: Memory,
        scratch_bytes: int,
        stream: Stream,
    ) -> None:
        self.batch = batch
        self._tensorrt, self._name, self._stream = tensorrt, name, stream
        self._context = tensorrt.context(engine, scratch, scratch_bytes)
        self._host: dict[str, AnyArray] = {}
        self.memory: dict[str, Memory] = {}
        self._inputs, self._outputs = tuple(signature.inputs), tuple(signature.outputs)
        try:
            self._settle(engine, signature, index)
        except BaseException:
            self.close()
            raise

    def run(self, inputs: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
        """At most `batch` rows; what comes back is the caller's.

        Rows that are missing are what was there before: rows know nothing of each other, and
        nobody sees what these give.
        """
        device, stream = self._tensorrt.device, self._stream
        rows = len(inputs[self._inputs[0]])
        for key in self._inputs:
            self._host[key][:rows] = inputs[key]
            device.upload(self.memory[key], self._host[key][:rows], stream)
        self.enqueue(stream)
        for key in self._outputs:
            device.download(self._host[key][:rows], self.memory[key], stream)
        device.wait(stream)
        return {key: self._host[key][:rows].copy() for key in self._outputs}

    def enqueue(self, stream: Stream) -> None:
        """The computation alone, from `memory` to `memory`. Raises DeviceFull or DeviceFailed."""
        # False where it was refused: what lies in the outputs then is an earlier batch's.
        self._asked("run", self._context.execute_async_v3(stream.handle))

    def shape(self, key: str) -> tuple[int, ...]:
        """Of an input or output, the batch first."""
        return self._host[key].shape

    def close(self) -> None:
        """Give the memory back, but for `scratch`."""
        self._context = None
        for memory in self.memory.values():
            memory.free()
        self.memory.clear()
        self._host.clear()

    def time_ns(self) -> float:
        """How long a run takes, on the rows that are there."""
        rows = {key: self._host[key] for key in self._inputs}
        marks_ns = []
        for _ in range(_TIMED_RUNS + 1):  # the first one loads the kernels
            self.run(rows)
            marks_ns.append(time.perf_counter_ns())
        return float(np.diff(marks_ns).min())

    def _settle(self, engine: Any, signature: Signature, index: int) -> None:
        inputs, outputs = _names(self._tensorrt.trt, engine)
        signature.require_inputs(
            self._name,
            {
                key: self._tensorrt.spec(engine.get_tensor_dtype(key), engine.get_tensor_shape(key))
                for key in inputs
            },
        )
        self._asked("choose a profile", self._context.set_optimization_profile_async(
            index, self._stream.handle
        ))  # fmt: skip
        for key, spec in signature.inputs.items():
            shape = (self.batch, *spec.shape[1:])
            self._asked(f"take {key} as {shape}", self._context.set_input_shape(key, shape))
        # Only now are all sizes known.
        specs = {
            key: self._tensorrt.spec(
                engine.get_tensor_dtype(key), self._context.get_tensor_shape(key)
            )
            for key in (*inputs, *outputs)
        }
        signature.require_outputs(self._name, {key: specs[key] for key in outputs})
        for key in (*inputs, *outputs):
            self._bind(key, specs[key])
        self._tensorrt.device.wait(self._stream)

    def _bind(self, key: str, spec: ArraySpec) -> None:
        """Memory on both sides for an input or output; what nobody reads needs the GPU's too."""
        device = self._tensorrt.device
        shape = tuple(n for n in spec.shape if n is not None)
        host = device.pinned(shape, np.dtype(spec.dtype).type)
        host.fill(0)  # a valid row, and a lane that there is
        self._host[key] = host
        self.memory[key] = device.allocate(host.nbytes)
        device.upload(self.memory[key], host, self._stream)
        address = int(self.memory[key])
        self._asked(f"bind {key}", self._context.set_tensor_address(key, address))

    def _asked(self, what: str, done: bool) -> None:
        self._tensorrt.had(done, f"{what} for {self._name}")


def _names(trt: Any, engine: Any) -> tuple[list[str], list[str]]:
    """The inputs and the outputs of an engine."""
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    inputs = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
    return inputs, [name for name in names if name not in inputs]
