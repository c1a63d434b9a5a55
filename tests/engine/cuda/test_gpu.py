"""The GPU behind PyCUDA, with a stand-in for PyCUDA: what it is asked, and what its errors say."""

import builtins
import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from engine.cuda import gpu as gpu_module
from engine.cuda.gpu import Gpu, open_gpu
from engine.cuda.launch import Buffer, Launch
from engine.errors import DeviceFailed, DeviceMissing


class Error(Exception):
    pass


class OutOfMemoryError(Error):
    pass


class Driver(SimpleNamespace):
    """As much of pycuda.driver as is used, with the names and errors of the real one."""

    def __init__(self, **changes):
        self.log = []
        self.Error, self.MemoryError = Error, OutOfMemoryError
        self.context = SimpleNamespace(
            push=lambda: self.log.append("push"), pop=lambda: self.log.append("pop")
        )
        self.Device = lambda ordinal: SimpleNamespace(
            compute_capability=lambda: (9, 0),
            name=lambda: "NVIDIA H200",
            retain_primary_context=lambda: self.context,
        )
        self.init = lambda: None
        self.Stream = lambda: "a stream"
        self.mem_alloc = lambda size_bytes: size_bytes
        super().__init__(**changes)


def failing(error):
    def fail(*arguments):
        raise error

    return fail


def test_the_context_is_current_inside_and_only_there():
    driver = Driver()
    gpu = Gpu(driver)
    assert (gpu.name, gpu.arch) == ("NVIDIA H200", "sm_90")
    with gpu.current():
        assert driver.log == ["push"]
    with pytest.raises(KeyError), gpu.current():
        raise KeyError
    assert driver.log == ["push", "pop"] * 2


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OutOfMemoryError("cuMemAlloc failed: out of memory"),
            "too little free memory.*fewer cameras",
        ),
        (Error("cuCtxSynchronize failed: device lost"), "device lost.*use --device cpu"),
    ],
)
def test_what_the_gpu_refuses_is_a_sentence(error, said):
    gpu = Gpu(Driver(mem_alloc=failing(error)))
    with pytest.raises(DeviceFailed, match=said) as refusal, gpu.current():
        gpu.allocate(1 << 40)
    assert refusal.value.exit_code == 4


def test_no_gpu_is_a_sentence():
    with pytest.raises(DeviceMissing, match=r"no NVIDIA GPU.*\(cuInit failed: no device\).*--gpus"):
        Gpu(Driver(init=failing(Error("cuInit failed: no device"))))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("No module named 'pycuda'", "pip install pycuda"),
        ("libcuda.so.1: cannot open shared object file", "install NVIDIA's driver"),
    ],
)
def test_no_pycuda_is_a_sentence(monkeypatch, error, said):
    def importing(name, *rest, **named):
        if name.startswith("pycuda"):
            raise ImportError(error)
        return real(name, *rest, **named)

    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", importing)
    open_gpu.cache_clear()
    with pytest.raises(DeviceMissing, match=said):
        open_gpu()


def test_kernels_are_compiled_for_the_gpu_and_bound_to_their_arguments(monkeypatch):
    calls = []
    function = SimpleNamespace(
        _launch_kernel=lambda *arguments: calls.append(arguments),
    )
    driver = Driver(
        module_from_buffer=lambda code: SimpleNamespace(
            get_function=lambda name: calls.append((code, name)) or function
        )
    )
    monkeypatch.setattr(gpu_module, "cubin", lambda source, arch, cache: f"{source} {arch}")
    launch = Launch(
        "iterate",
        grid=(3, 2, 1),
        block=(16, 32, 1),
        arguments=(Buffer("u", offset_bytes=8), None, np.int32(7), np.float32(0.5)),
        shared_bytes=48,
    )
    gpu = Gpu(driver)
    with gpu.current():
        start = gpu.kernels(Path("k.cu")).bind(launch, {"u": 1000})
    start("a stream")
    assert calls == [
        ("k.cu sm_90", "iterate"),
        ((3, 2, 1), (16, 32, 1), struct.pack("QQif", 1008, 0, 7, 0.5), 48, "a stream"),
    ]
