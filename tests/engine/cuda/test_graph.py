"""CUDA graphs on a driver that is not there: what is replayed, and what a refusal leaves behind."""

import builtins
import inspect

import pytest

from engine.cuda import graph
from engine.cuda.gpu import Gpu
from engine.errors import DeviceFailed, DeviceMissing
from tests.engine.tensorrt.fake_driver import FakeDriver
from tests.engine.tensorrt.fake_graphs import FakeCuda


@pytest.fixture
def gpu(monkeypatch):
    driver = FakeDriver()
    gpu = Gpu(driver)
    gpu.cuda = FakeCuda(driver)
    monkeypatch.setattr(graph, "_bindings", lambda: gpu.cuda)
    with gpu.current():
        yield gpu


def test_what_was_captured_is_done_when_it_is_replayed_and_not_before(gpu):
    done, stream = [], gpu.stream()
    replay = gpu.capture(lambda stream: stream.put(lambda: done.append(1)), stream)
    gpu.wait(stream)
    assert done == []
    for _ in range(3):
        replay(stream)
    gpu.wait(stream)
    assert done == [1, 1, 1]
    replay.close()
    assert gpu.cuda.graphs == []


def refused(stream):
    stream.put(lambda: None)
    raise DeviceFailed("the enqueue is refused")


def out_of_memory(stream):
    raise FakeDriver.MemoryError("cuLaunchKernel failed: out of memory")


@pytest.mark.parametrize(
    ("work", "said"),
    [(refused, "the enqueue is refused"), (out_of_memory, "too little free memory")],
)
def test_work_that_fails_leaves_the_stream_as_it_was(gpu, work, said):
    done, stream = [], gpu.stream()
    with pytest.raises(DeviceFailed, match=said):
        gpu.capture(work, stream)
    assert gpu.cuda.graphs == []
    stream.put(lambda: done.append(1))
    gpu.wait(stream)
    assert done == [1]


def test_a_driver_that_refuses_is_a_sentence(gpu):
    gpu.cuda.refuses = True
    with pytest.raises(DeviceFailed, match=r"refuses cuStreamEndCapture \(CUDA_ERROR_STREAM_CAP"):
        gpu.capture(lambda stream: None, gpu.stream())


def test_a_driver_that_lacks_it_is_a_sentence(gpu, monkeypatch):
    def missing(*arguments):
        raise RuntimeError('Function "cuGraphInstantiate" not found')

    monkeypatch.setattr(gpu.cuda, "cuGraphInstantiate", missing)
    with pytest.raises(DeviceFailed, match="the driver has no cuGraphInstantiate"):
        gpu.capture(lambda stream: None, gpu.stream())
    assert gpu.cuda.graphs == []


def test_without_the_bindings_the_remedy_is_said(monkeypatch):
    def importing(name, *rest, **named):
        if name.startswith("cuda"):
            raise ImportError("No module named 'cuda'")
        return real(name, *rest, **named)

    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(DeviceMissing, match="pip install cuda-bindings"):
        graph.captured(lambda stream: None, None)


def test_the_stand_in_has_the_bindings_names_and_arguments():
    real = pytest.importorskip("cuda.bindings.driver", exc_type=ImportError)
    calls = dict(inspect.getmembers(FakeCuda, inspect.isfunction))
    names = [name for name in calls if name.startswith("cu")]
    assert len(names) == 6
    for name in names:
        wanted = ", ".join(list(inspect.signature(calls[name]).parameters)[1:])
        told = getattr(real, name).__doc__.split(")")[0]
        assert [word.split(":")[0].split()[-1] for word in told.split("(")[1].split(",")] == (
            wanted.split(", ")
        )
    for kind in (FakeCuda.CUresult, FakeCuda.CUstreamCaptureMode):
        assert set(kind.__members__) <= set(getattr(real, kind.__name__).__members__)
