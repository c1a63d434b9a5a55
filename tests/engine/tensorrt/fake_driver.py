"""A stand-in for pycuda.driver whose device memory is the host's, for `engine.cuda.gpu.Gpu`.

As on a GPU, what is put on a stream happens when the stream is waited for, and not before.
"""

import ctypes
import threading
from collections import deque
from types import SimpleNamespace

import numpy as np

from tests.engine.flow.host_device import ORDERS, OUTCOMES, Index


class Error(Exception):
    pass


class OutOfMemoryError(Error):
    pass


class Allocation:
    """Filled with 0xFF: what nobody wrote is no number."""

    def __init__(self, driver, size_bytes):
        self.bytes = np.full(size_bytes, 0xFF, np.uint8)
        self._driver = driver

    def __int__(self):
        return self.bytes.ctypes.data

    def free(self):
        self._driver.require_current()
        del self._driver.allocated[int(self)]


class Stream:
    """captured: what is put on it while a graph is made, instead of being done."""

    def __init__(self, driver, handle):
        self.handle, self.queued, self.captured = handle, deque(), None
        self._driver = driver

    def put(self, work):
        (self.queued if self.captured is None else self.captured).append(work)

    def synchronize(self):
        self._driver.require_current()
        assert self.captured is None, "a stream that captures can't be waited for"
        if self._driver.lost:
            raise Error("cuStreamSynchronize failed: unspecified launch failure")
        self.run_until(lambda: False)

    def wait_for_event(self, event):
        # The other stream must get there; what nobody waits for isn't done.
        self.put(event.reached())

    def run_until(self, there):
        while self.queued and not there():
            self.queued.popleft()()


class Event:
    def __init__(self, driver):
        self._driver, self._stream, self._passed = driver, None, None

    def record(self, stream):
        passed = [False]
        stream.put(lambda: passed.__setitem__(0, True))
        self._stream, self._passed = stream, passed

    def reached(self):
        """To be done by a stream that waits for what was recorded by now."""
        stream, passed = self._stream, self._passed
        return lambda: stream and stream.run_until(lambda: passed[0])

    def time_till(self, later):
        assert self._passed[0]
        assert later._passed[0]
        return 0.5


class Function:
    """A kernel, on the CPU."""

    def __init__(self, driver, name):
        self._driver, self._name = driver, name

    def _launch_kernel(self, grid, block, packed, shared_bytes, stream):
        self._driver.require_current()

        def launched():
            arguments = (self._name.encode(), Index(*grid), Index(*block))
            held = ctypes.create_string_buffer(packed)
            outcome = self._driver.library.launch(
                *arguments, ctypes.c_size_t(shared_bytes), held, ORDERS.index("scattered")
            )
            assert outcome == 0, f"{self._name}: {OUTCOMES[outcome]}"
            self._driver.launched.append(self._name)

        stream.put(launched)


class FakeDriver:
    """allocated: what is taken, by address. lost: the GPU fell off the bus. library: of kernels on
    the host. launched: their names. copied_bytes: up and down.
    """

    Error, MemoryError = Error, OutOfMemoryError

    def __init__(self, name="NVIDIA H200", capacity_bytes=1 << 30):
        self.capacity_bytes, self.lost = capacity_bytes, False
        self.allocated, self.streams = {}, {}
        self.library, self.launched, self.copied_bytes = None, [], {"up": 0, "down": 0}
        self._here = threading.local()
        context = SimpleNamespace(push=lambda: self._turn(1), pop=lambda: self._turn(-1))
        self.Device = lambda ordinal: SimpleNamespace(
            compute_capability=lambda: (9, 0),
            name=lambda: name,
            retain_primary_context=lambda: context,
        )

    def init(self):
        pass

    def get_driver_version(self):
        return 13000

    def mem_get_info(self):
        self.require_current()
        taken = sum(len(each.bytes) for each in self.allocated.values())
        return self.capacity_bytes - taken, self.capacity_bytes

    def mem_alloc(self, size_bytes):
        self._require_no_capture()
        if size_bytes > self.mem_get_info()[0]:
            raise OutOfMemoryError("cuMemAlloc failed: out of memory")
        made = Allocation(self, size_bytes)
        self.allocated[int(made)] = made
        return made

    def pagelocked_empty(self, shape, dtype):
        self.require_current()
        made = np.empty(shape, dtype)
        made.view(np.uint8).fill(0xFF)
        return made

    def Stream(self):  # noqa: N802
        self._require_no_capture()
        made = Stream(self, 1000 + len(self.streams))
        self.streams[made.handle] = made
        return made

    def Event(self):  # noqa: N802
        self.require_current()
        return Event(self)

    def module_from_buffer(self, code):
        self._require_no_capture()
        return SimpleNamespace(get_function=lambda name: Function(self, name))

    def memcpy_htod_async(self, address, source, stream):
        self.require_current()
        assert source.flags.c_contiguous
        self.copied_bytes["up"] += source.nbytes
        stream.put(lambda: self._write(address, source))

    def memcpy_dtoh_async(self, target, address, stream):
        self.require_current()
        assert target.flags.c_contiguous
        self.copied_bytes["down"] += target.nbytes
        stream.put(lambda: target.view(np.uint8).reshape(-1).__setitem__(
            slice(None), self._there(address, target.nbytes)
        ))  # fmt: skip

    def array(self, address, shape, dtype):
        """What lies there, as an array of its own memory."""
        size_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return self._there(address, size_bytes).view(dtype).reshape(shape)

    def require_current(self):
        assert getattr(self._here, "depth", 0), "the GPU is not current in this thread"

    def _require_no_capture(self):
        self.require_current()
        capturing = [each for each in self.streams.values() if each.captured is not None]
        assert not capturing, "this ends a capture"

    def _turn(self, by):
        self._here.depth = getattr(self._here, "depth", 0) + by

    def _write(self, address, source):
        self._there(address, source.nbytes)[:] = source.view(np.uint8).reshape(-1)

    def _there(self, address, size_bytes):
        """The bytes from an address on, which must lie in one piece of memory."""
        for begin, made in list(self.allocated.items()):  # other threads take some meanwhile
            if begin <= address < begin + len(made.bytes):
                assert address + size_bytes <= begin + len(made.bytes)
                return made.bytes[address - begin :][:size_bytes]
        raise AssertionError(f"nothing lies at {address}")
