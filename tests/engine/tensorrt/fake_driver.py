"""A stand-in for pycuda.driver whose device memory is the host's, for `engine.cuda.gpu.Gpu`.

As on a GPU, what is put on a stream happens when the stream is waited for, and not before.
"""

import threading
from types import SimpleNamespace

import numpy as np


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
    def __init__(self, driver, handle):
        self.handle, self.queued = handle, []
        self._driver = driver

    def synchronize(self):
        self._driver.require_current()
        if self._driver.lost:
            raise Error("cuStreamSynchronize failed: unspecified launch failure")
        queued, self.queued = self.queued, []
        for work in queued:
            work()


class FakeDriver:
    """allocated: what is taken, by address. lost: the GPU fell off the bus."""

    Error, MemoryError = Error, OutOfMemoryError

    def __init__(self, name="NVIDIA H200", capacity_bytes=1 << 30):
        self.capacity_bytes, self.lost = capacity_bytes, False
        self.allocated, self.streams = {}, {}
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
        self.require_current()
        made = Stream(self, 1000 + len(self.streams))
        self.streams[made.handle] = made
        return made

    def memcpy_htod_async(self, address, source, stream):
        self.require_current()
        assert source.flags.c_contiguous
        stream.queued.append(lambda: self._write(address, source))

    def memcpy_dtoh_async(self, target, address, stream):
        self.require_current()
        assert target.flags.c_contiguous
        stream.queued.append(lambda: target.view(np.uint8).reshape(-1).__setitem__(
            slice(None), self.allocated[address].bytes[: target.nbytes]
        ))  # fmt: skip

    def array(self, address, shape, dtype):
        """What lies there, as an array of its own memory."""
        size_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return self.allocated[address].bytes[:size_bytes].view(dtype).reshape(shape)

    def require_current(self):
        assert getattr(self._here, "depth", 0), "the GPU is not current in this thread"

    def _turn(self, by):
        self._here.depth = getattr(self._here, "depth", 0) + by

    def _write(self, address, source):
        self.allocated[address].bytes[: source.nbytes] = source.view(np.uint8).reshape(-1)
