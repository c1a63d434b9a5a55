"""A device that runs the CUDA kernels of TV-L1 on the CPU: their very source, compiled by g++."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from engine.flow.tvl1_cuda import SOURCE

ORDERS = ("forward", "backward", "scattered")  # of a block's threads between two barriers
_HERE = Path(__file__).parent
OUTCOMES = ("done", "some threads met a barrier that others didn't", "no such kernel", "shared")


class Index(ctypes.Structure):
    _fields_ = [(axis, ctypes.c_uint) for axis in "xyz"]


def build(folder: Path, source: str = SOURCE.read_text()) -> ctypes.CDLL:
    """The kernels of TV-L1 for this machine's CPU; skips the test where nothing can compile it."""
    (folder / "tvl1.cu").write_text(source)
    return compiled(_HERE / "tvl1_on_host.cpp", folder, folder)


def compiled(program: Path, sources: Path, folder: Path) -> ctypes.CDLL:
    """A program that includes kernels of `sources`, built in `folder`; skips as `build`."""
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        pytest.skip("there is no C++ compiler (g++) to build the kernels for the CPU")
    built = folder / f"{program.stem}.so"
    subprocess.run(
        [
            compiler,
            *("-std=c++17", "-O2", "-U_FORTIFY_SOURCE", "-shared", "-fPIC"),
            *(f"-I{sources}", "-o", str(built), str(program)),
        ],
        check=True,
    )
    return ctypes.CDLL(str(built))


class HostMemory:
    """Filled with NaN: what a kernel has not written is no number."""

    def __init__(self, size_bytes):
        self.bytes = np.full(size_bytes, 0xFF, np.uint8)
        self.freed = False

    def __int__(self):
        return self.bytes.ctypes.data

    def free(self):
        self.freed = True


class HostDevice:
    """Stands in for `engine.cuda.gpu.Gpu`. Streams are lists of what was put on them."""

    name = "the CPU"

    def __init__(self, library, order="forward"):
        self._library, self._order = library, ORDERS.index(order)
        self.allocated, self.is_current = [], False

    @contextmanager
    def current(self):
        assert not self.is_current
        self.is_current = True
        try:
            yield
        finally:
            self.is_current = False

    def kernels(self, source):
        assert self.is_current
        assert source == SOURCE
        return self

    def bind(self, launch, addresses):
        values = launch.values(addresses)
        types = {"P": ctypes.c_void_p, "i": ctypes.c_int, "f": ctypes.c_float}
        held = [types[letter](value) for letter, value in zip(launch.format, values, strict=True)]
        pointers = (ctypes.c_void_p * len(held))(*(ctypes.addressof(each) for each in held))

        def start(stream):
            outcome = self._library.launch(
                launch.kernel.encode(),
                Index(*launch.grid),
                Index(*launch.block),
                ctypes.c_size_t(launch.shared_bytes),
                pointers,
                self._order,
            )
            assert outcome == 0, f"{launch.kernel}: {OUTCOMES[outcome]}"
            stream.append((launch.kernel, held))

        return start

    def allocate(self, size_bytes):
        assert self.is_current
        self.allocated.append(HostMemory(size_bytes))
        return self.allocated[-1]

    def pinned(self, shape, dtype):
        return np.empty(shape, dtype)

    def stream(self):
        return []

    def upload(self, target, source, stream):
        assert self.is_current
        assert source.nbytes == len(target.bytes)
        target.bytes[:] = source.view(np.uint8).ravel()

    def download(self, target, source, stream):
        assert self.is_current
        assert target.nbytes == len(source.bytes)
        target[:] = source.bytes.view(target.dtype).reshape(target.shape)

    def wait(self, stream):
        assert self.is_current
