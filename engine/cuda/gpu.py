"""One NVIDIA GPU through PyCUDA: the one file that imports it, and that knows its errors.

The primary context is shared with whoever else computes in this process. It is current only inside
`with gpu.current()`, in each thread that needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol, SupportsInt

import numpy as np

from engine.arrays import AnyArray
from engine.cache import cache_dir
from engine.cuda.cubin import cubin
from engine.cuda.graph import Replay, captured
from engine.cuda.launch import Launch
from engine.errors import DeviceFailed, DeviceFull, DeviceMissing

Stream = Any  # pycuda.driver.Stream; work on one runs in its order; `handle` is CUDA's own
Event = Any  # pycuda.driver.Event: a point in a stream's work
Start = Callable[[Stream], None]


class Memory(Protocol):
    """Device memory: int() of it is its address."""

    def __int__(self) -> int: ...
    def free(self) -> None:
        """At once; else whenever it is collected."""
        ...


class Kernels(Protocol):
    """The compiled kernels of one source file."""

    def bind(self, launch: Launch, addresses: Mapping[str, int]) -> Start:
        """A launch on real buffers, ready to be put on a stream any number of times."""
        ...


class Device(Protocol):
    """What computes: a GPU, or what stands in for one. All but `current` needs it current."""

    name: str
    arch: str  # sm_90 and such

    def current(self) -> AbstractContextManager[None]:
        """Makes it the calling thread's, and maps its errors to DeviceFailed."""
        ...

    def kernels(self, source: Path) -> Kernels:
        """Compiles, or takes from the cache. Raises DeviceMissing, DeviceFailed."""
        ...

    def free_bytes(self) -> int:
        """How much of its memory nobody has taken."""
        ...

    def allocate(self, size_bytes: int) -> Memory: ...
    def pinned(self, shape: tuple[int, ...], dtype: type) -> AnyArray:
        """Memory of the host that copies run from, or to, without waiting."""
        ...

    def stream(self) -> Stream: ...
    def upload(self, target: SupportsInt, source: AnyArray, stream: Stream) -> None:
        """From pinned memory to an address, that of some Memory or inside of it."""
        ...

    def download(self, target: AnyArray, source: SupportsInt, stream: Stream) -> None: ...
    def wait(self, stream: Stream) -> None:
        """Until everything on the stream is done."""
        ...

    def event(self) -> Event: ...
    def record(self, event: Event, stream: Stream) -> None:
        """The event is here: what the stream has been given is before it."""
        ...

    def follow(self, stream: Stream, event: Event) -> None:
        """What the stream is given from now on begins after the event, where that was recorded."""
        ...

    def between_ms(self, begin: Event, end: Event) -> float:
        """From one to the other, both past."""
        ...

    def capture(self, work: Start, stream: Stream) -> Replay:
        """What `work` puts on the stream, as one launch. Raises DeviceMissing, DeviceFailed."""
        ...


class Gpu:
    """Device 0, as the driver (and CUDA_VISIBLE_DEVICES) orders them.

    Raises DeviceMissing without a driver or a GPU.
    """

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        try:
            driver.init()
            device = driver.Device(0)
            major, minor = device.compute_capability()
            self.arch = f"sm_{major}{minor}"
            self.name = str(device.name())
            self._context = device.retain_primary_context()
        except driver.Error as error:
            raise DeviceMissing(
                f"there is no NVIDIA GPU to compute on ({_reason(error)}); look at nvidia-smi, "
                "and in a container start it with --gpus all; or use --device cpu"
            ) from error

    @property
    def driver_cuda(self) -> str:
        """The CUDA version that the driver speaks at most, such as 13.0."""
        number = self._driver.get_driver_version()
        return f"{number // 1000}.{number % 1000 // 10}"

    @contextmanager
    def current(self) -> Iterator[None]:
        """See Device."""
        driver = self._driver
        try:
            self._context.push()
            try:
                yield
            finally:
                self._context.pop()
        except driver.MemoryError as error:
            raise DeviceFull(
                f"{self.name} has too little free memory left ({_reason(error)}); run fewer "
                "cameras on it, end what else uses it (nvidia-smi), or use --device cpu"
            ) from error
        except driver.Error as error:
            raise DeviceFailed(
                f"{self.name} failed ({_reason(error)}); see `dmesg` for what the driver says, "
                "start again, or use --device cpu"
            ) from error

    def kernels(self, source: Path) -> Kernels:
        """See Device."""
        code = cubin(source, self.arch, cache_dir("cuda"))
        return _Module(self._driver.module_from_buffer(code))

    def free_bytes(self) -> int:
        """See Device."""
        return int(self._driver.mem_get_info()[0])

    def allocate(self, size_bytes: int) -> Memory:
        """See Device."""
        memory: Memory = self._driver.mem_alloc(size_bytes)
        return memory

    def pinned(self, shape: tuple[int, ...], dtype: type) -> AnyArray:
        """See Device."""
        array: AnyArray = self._driver.pagelocked_empty(shape, dtype)
        return array

    def stream(self) -> Stream:
        """See Device."""
        return self._driver.Stream()

    def upload(self, target: SupportsInt, source: AnyArray, stream: Stream) -> None:
        """See Device."""
        self._driver.memcpy_htod_async(int(target), np.ascontiguousarray(source), stream)

    def download(self, target: AnyArray, source: SupportsInt, stream: Stream) -> None:
        """See Device."""
        self._driver.memcpy_dtoh_async(target, int(source), stream)

    def wait(self, stream: Stream) -> None:
        """See Device."""
        stream.synchronize()

    def event(self) -> Event:
        """See Device."""
        return self._driver.Event()

    def record(self, event: Event, stream: Stream) -> None:
        """See Device."""
        event.record(stream)

    def follow(self, stream: Stream, event: Event) -> None:
        """See Device."""
        stream.wait_for_event(event)

    def between_ms(self, begin: Event, end: Event) -> float:
        """See Device."""
        return float(begin.time_till(end))

    def capture(self, work: Start, stream: Stream) -> Replay:
        """See Device."""
        with self.current():  # maps the errors of a refusal, which its caller may live with
            return captured(work, stream)


class _Module:
    def __init__(self, module: Any) -> None:
        self._module = module

    def bind(self, launch: Launch, addresses: Mapping[str, int]) -> Start:
        function = self._module.get_function(launch.kernel)
        # What PyCUDA's own calls end in; they would pack the arguments anew each time, and set the
        # block's shape by a deprecated call that a capture into a CUDA graph may not like.
        start: Start = partial(
            function._launch_kernel,  # noqa: SLF001
            launch.grid,
            launch.block,
            launch.packed(addresses),
            launch.shared_bytes,
        )
        return start


@cache
def open_gpu() -> Gpu:
    """The process's GPU. Raises DeviceMissing without PyCUDA, a driver or a GPU."""
    try:
        import pycuda.driver as driver
    except ImportError as error:
        # Without libcuda the package is there, but doesn't load.
        remedy = (
            "install NVIDIA's driver"
            if "libcuda" in str(error)
            else "`pip install pycuda` (it comes with gesta[gpu])"
        )
        raise DeviceMissing(
            f"PyCUDA can't be used ({_reason(error)}); {remedy}, or use --device cpu"
        ) from error
    return Gpu(driver)


def _reason(error: Exception) -> str:
    return str(error).strip().removesuffix(":") or type(error).__name__
