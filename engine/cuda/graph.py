"""CUDA graphs: what was put on a stream once, started again as one launch.

PyCUDA has none, so they are made by NVIDIA's own bindings, on PyCUDA's stream: the one file that
imports that part of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import DeviceFailed, DeviceMissing


class Replay:
    """A captured graph. It knows kernels and memory by their addresses alone, which must stay."""

    def __init__(self, driver: _Driver, executable: Any, work: Callable[[Any], None]) -> None:
        self._driver, self._executable = driver, executable
        self._work = work  # for what it holds

    def __call__(self, stream: Any) -> None:
        """Put it on a stream."""
        self._driver.asked("cuGraphLaunch", self._executable, self._driver.handle(stream))

    def close(self) -> None:
        """Give its memory back. The stream must be done."""
        self._driver.asked("cuGraphExecDestroy", self._executable)


def captured(work: Callable[[Any], None], stream: Any) -> Replay:
    """What `work` puts on the stream (a pycuda.driver.Stream), which isn't run meanwhile.

    Raises DeviceMissing without the bindings, DeviceFailed where the driver refuses, and what
    `work` raises. The stream can be used as before in any case.
    """
    driver = _Driver()
    handle = driver.handle(stream)
    # Of this thread alone: others go on allocating.
    mode = driver.cuda.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
    driver.asked("cuStreamBeginCapture", handle, mode)
    try:
        work(stream)
    except BaseException:
        # Which says that it has failed, or gives what was captured so far.
        _, graph = driver.cuda.cuStreamEndCapture(handle)
        if graph:
            driver.cuda.cuGraphDestroy(graph)
        raise
    graph = driver.asked("cuStreamEndCapture", handle)
    try:
        return Replay(driver, driver.asked("cuGraphInstantiate", graph, 0), work)
    finally:
        driver.asked("cuGraphDestroy", graph)


class _Driver:
    """cuda: NVIDIA's bindings, `cuda.bindings.driver`."""

    def __init__(self) -> None:
        self.cuda = _bindings()

    def handle(self, stream: Any) -> Any:
        return self.cuda.CUstream(stream.handle)

    def asked(self, function: str, *arguments: Any) -> Any:
        """Its value, if it has one. Raises DeviceFailed."""
        try:
            result, *values = getattr(self.cuda, function)(*arguments)
        except RuntimeError as error:  # a driver that doesn't have it
            raise DeviceFailed(f"the driver has no {function} ({error})") from error
        if result != self.cuda.CUresult.CUDA_SUCCESS:
            raise DeviceFailed(f"the driver refuses {function} ({result.name})")
        return values[0] if values else None


def _bindings() -> Any:
    try:
        from cuda.bindings import driver
    # RuntimeError: the bindings are there, the library that they bind is not.
    except (ImportError, RuntimeError) as error:
        raise DeviceMissing(
            f"there are no CUDA graphs without NVIDIA's bindings ({error}); "
            "`pip install cuda-bindings` (it comes with gesta[gpu])"
        ) from error
    return driver
