"""Loading TensorRT: what is missing, too old, or doesn't start."""

import builtins
import subprocess
import sys
from types import SimpleNamespace

import pytest

from engine.errors import DeviceFailed, DeviceFull, DeviceMissing
from engine.tensorrt import library
from engine.tensorrt.library import open_tensorrt
from engine.tensorrt.voice import voice


@pytest.fixture
def importing(load_tensorrt, monkeypatch):
    """A function: from then on, an import of tensorrt raises this."""
    gpu = load_tensorrt().device
    real = builtins.__import__
    open_tensorrt.cache_clear()
    monkeypatch.setattr(library, "open_gpu", lambda: gpu)

    def importing(error):
        def imported(name, *rest, **named):
            if name == "tensorrt":
                raise error
            return real(name, *rest, **named)

        monkeypatch.setattr(builtins, "__import__", imported)

    return importing


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ModuleNotFoundError("No module named 'tensorrt'"), "No module named 'tensorrt'"),
        (ImportError("libnvinfer.so.11: cannot open shared object file"), "libnvinfer"),
        (RuntimeError("this is a placeholder"), "placeholder"),
    ],
)
def test_without_tensorrt_the_remedy_is_said(importing, error, said):
    importing(error)
    with pytest.raises(DeviceMissing, match=rf"{said}.*pip install tensorrt.*--device cpu"):
        open_tensorrt()


def test_the_driver_is_asked_first(monkeypatch):
    """TensorRT 8.6 ends the process where there is none."""

    def missing():
        raise DeviceMissing("there is no NVIDIA GPU")

    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace())  # any use of it would fail
    monkeypatch.setattr(library, "open_gpu", missing)
    open_tensorrt.cache_clear()
    with pytest.raises(DeviceMissing, match="no NVIDIA GPU"):
        open_tensorrt()


def test_one_that_is_too_old_is_refused(load_tensorrt):
    with pytest.raises(DeviceMissing, match=r"TensorRT 8\.5\.3 is too old; install 8\.6 or newer"):
        load_tensorrt("8.5.3")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("CUDA initialization failure with error: 35.", r"update NVIDIA's driver, or install an"),
        ("CUDA initialization failure with error: 999.", "start again"),
    ],
)
def test_a_driver_that_is_too_old_is_told_of(load_tensorrt, words, said):
    with pytest.raises(DeviceMissing, match=rf"a driver for CUDA 13\.0 .*error: .*{said}"):
        load_tensorrt(refuses_to_start=words)


def test_a_refusal_is_told_in_tensorrts_words_and_full_memory_by_itself(load_tensorrt):
    tensorrt = load_tensorrt()
    assert tensorrt.had(0, "count") == 0
    tensorrt.trt._say("The node is odd.")
    with pytest.raises(DeviceFailed, match=r"can't think on NVIDIA H200 \(The node is odd\); see"):
        tensorrt.had(False, "think")
    tensorrt.trt._say("Cuda Runtime (out of memory)")
    with pytest.raises(DeviceFull, match="too little free memory left for TensorRT to think"):
        tensorrt.had(None, "think")
    with pytest.raises(DeviceFailed, match="no reason given"):
        tensorrt.had(None, "think")


def test_words_do_not_pile_up(load_tensorrt):
    trt = load_tensorrt().trt
    speaking = voice(trt)
    for number in range(1000):
        speaking.log(trt.ILogger.Severity.ERROR, f"error {number}")
        speaking.log(trt.ILogger.Severity.VERBOSE, "and so on")
    assert speaking.last_words() == "error 997; error 998; error 999"


def test_nothing_is_loaded_before_it_is_needed():
    code = (
        "import sys, engine.device, engine.runners.tensorrt_runner\n"
        "sys.exit(str({'tensorrt', 'pycuda', 'openvino'} & set(sys.modules) or 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() in ("", "0")
