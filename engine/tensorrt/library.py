"""TensorRT: the one file that imports it, and that knows how its versions differ.

Written for 10 and 11; 8.6, of edge boxes, has all that is used under the same names, but for what
stands here.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, TypeVar

from engine.cuda.gpu import Device, Memory, open_gpu
from engine.errors import DeviceFailed, DeviceFull, DeviceMissing
from engine.runners.runner import ArraySpec
from engine.tensorrt.voice import Voice, voice

Value = TypeVar("Value")

_OLDEST = (8, 6)
_DTYPES = {"UINT8": "uint8", "INT32": "int32", "FLOAT": "float32", "HALF": "float16"}
_FULL = ("out of memory", "outofmemory", "insufficient memory", "cudaerrormemoryallocation")
# As the runtime puts it: by number (cudaErrorInsufficientDriver), or in words.
_OLD_DRIVER = ("initialization failure with error: 35", "driver version is insufficient")


class TensorRT:
    """The library on one GPU. The GPU must be current for all of it.

    trt: the module. driver: what the driver speaks, for messages.

    Raises DeviceMissing where it can't be used.
    """

    def __init__(self, trt: Any, device: Device, driver: str = "an unknown version") -> None:
        self.trt, self.device = trt, device
        self.version = str(trt.__version__)
        if tuple(int(n) for n in self.version.split(".")[:2]) < _OLDEST:
            raise DeviceMissing(
                f"TensorRT {self.version} is too old; install 8.6 or newer, or use --device cpu"
            )
        self.voice: Voice = voice(trt)  # TensorRT wants one for as long as it is loaded
        try:
            self._runtime = trt.Runtime(self.voice)
        except TypeError as error:  # how its binding says that there is none
            words = self.voice.last_words()
            old = any(sign in words.lower() for sign in _OLD_DRIVER)
            remedy = (
                "update NVIDIA's driver, or install an older TensorRT" if old else "start again"
            )
            raise DeviceMissing(
                f"TensorRT {self.version} can't start on {device.name} with a driver for CUDA "
                f"{driver} ({words}); {remedy}, or use --device cpu"
            ) from error

    @property
    def derives_fp16(self) -> bool:
        """Whether it computes an fp32 graph in fp16 where it is told to."""
        return hasattr(self.trt.BuilderFlag, "FP16")

    @property
    def is_typed(self) -> bool:
        """Whether it can take a graph's own types for the last word (11 does nothing else)."""
        return hasattr(self.trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")

    def builder(self) -> Any:
        """A new trt.Builder."""
        try:
            return self.trt.Builder(self.voice)
        except TypeError as error:  # as in the constructor
            raise self.failed("start its builder") from error

    def engine(self, plan: bytes) -> Any | None:
        """The trt.ICudaEngine of a plan; None where TensorRT refuses it: `voice` says why."""
        return self._runtime.deserialize_cuda_engine(plan)

    def scratch_bytes(self, engine: Any) -> int:
        """The device memory that a context of `engine` needs while it runs, in any profile."""
        size = engine.device_memory_size_v2 if self._names_strategy else engine.device_memory_size
        return max(int(size), 1)

    def context(self, engine: Any, scratch: Memory, scratch_bytes: int) -> Any:
        """An execution context that works in `scratch`.

        Left to itself each context takes its own; those that never run at once can share.
        """
        if self._names_strategy:
            strategy = self.trt.ExecutionContextAllocationStrategy.USER_MANAGED
            context = self.had(engine.create_execution_context(strategy), "make a context")
            context.set_device_memory(int(scratch), scratch_bytes)
            return context
        bare = engine.create_execution_context_without_device_memory()
        context = self.had(bare, "make a context")
        context.device_memory = int(scratch)
        return context

    def spec(self, tensor_type: Any, shape: Iterable[int]) -> ArraySpec:
        """Of a trt.DataType and a trt.Dims."""
        name = str(tensor_type.name)
        return ArraySpec(_DTYPES.get(name, name), tuple(None if n < 0 else n for n in shape))

    def had(self, value: Value | None, what: str) -> Value:
        """`value`, unless it is how TensorRT says no (None, False): then raises its words.

        what: what TensorRT was asked to do, to go on after "can't".
        """
        if value is None or value is False:
            raise self.failed(what)
        return value

    def failed(self, what: str) -> DeviceFailed:
        """DeviceFull or DeviceFailed, with TensorRT's last words."""
        words = self.voice.last_words()
        if any(sign in words.lower() for sign in _FULL):
            return DeviceFull(
                f"{self.device.name} has too little free memory left for TensorRT to {what} "
                f"({words}); end what else uses it (nvidia-smi), or use --device cpu"
            )
        return DeviceFailed(
            f"TensorRT {self.version} can't {what} on {self.device.name} ({words}); see `dmesg` "
            "for what the driver says, start again, or use --device cpu"
        )

    @property
    def _names_strategy(self) -> bool:
        return hasattr(self.trt, "ExecutionContextAllocationStrategy")


@cache
def open_tensorrt() -> TensorRT:
    """The process's TensorRT, on its GPU. Raises DeviceMissing."""
    gpu = open_gpu()  # first: without a driver, TensorRT 8.6 ends the process
    try:
        import tensorrt
    # OSError: a library that it needs isn't there. RuntimeError: the package is a placeholder.
    except (ImportError, OSError, RuntimeError) as error:
        raise DeviceMissing(
            f"TensorRT can't be used ({str(error).strip() or type(error).__name__}); "
            "`pip install tensorrt` (it comes with gesta[gpu]), or use --device cpu"
        ) from error
    with gpu.current():
        return TensorRT(tensorrt, gpu, gpu.driver_cuda)
