"""Where the flow is estimated: as asked for, and settled once for all cameras."""

import logging
import sys
from types import SimpleNamespace

import pytest

from engine.cuda.gpu import open_gpu
from engine.errors import DeviceMissing
from engine.flow import open as flows
from engine.manifest import FlowEntry
from stream import opening
from stream.configuration.config import Config
from stream.opening import open_bundle
from tests.stream.synthetic import small_manifest

ON_BOTH = {"epsilon": 0.0, "median_filtering": 1, "inner_iterations": 5, "outer_iterations": 1}


@pytest.fixture
def tvl1(monkeypatch):
    """A bundle whose flow is TV-L1, by parameters that a GPU takes, too."""
    entry = FlowEntry(bound_px=12.0, parameters=ON_BOTH)
    bundle = SimpleNamespace(manifest=small_manifest(flows={"tvl1": entry}))
    monkeypatch.setattr(opening, "Bundle", SimpleNamespace(open=lambda name: bundle))


@pytest.fixture
def driven(monkeypatch):
    """A machine with an NVIDIA driver, and without PyCUDA."""
    monkeypatch.setattr(flows, "describe_machine", lambda: SimpleNamespace(nvidia_driver="580.1"))
    monkeypatch.setitem(sys.modules, "pycuda", None)
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    open_gpu.cache_clear()


@pytest.mark.parametrize(
    ("device", "settled"), [("cuda", "cuda"), ("auto", "cuda"), ("cpu", "cpu")]
)
def test_every_cameras_flow_is_estimated_where_it_was_asked_for(tvl1, monkeypatch, device, settled):
    asked = []

    def open_flow(name, parameters, device="cpu"):
        asked.append((name, parameters, device))
        return SimpleNamespace(name=name, device="cpu" if device == "cpu" else "cuda")

    monkeypatch.setattr(flows, "open_flow", open_flow)
    monkeypatch.setattr(opening, "open_flow", open_flow)
    opened = open_bundle(Config(device=device))
    assert opened.open_flow().device == settled
    assert asked == [("tvl1", ON_BOTH, device), ("tvl1", ON_BOTH, settled)]


def test_auto_without_what_a_gpu_takes_says_so_once(tvl1, driven, caplog):
    with caplog.at_level(logging.WARNING):
        opened = open_bundle(Config(device="auto"))
        assert [opened.open_flow().device for _ in range(3)] == ["cpu"] * 3
    [record] = caplog.records
    assert "flow tvl1 runs on the CPU, slowly: PyCUDA can't be used" in record.getMessage()


def test_cuda_without_it_is_refused_before_any_camera_starts(tvl1, driven):
    with pytest.raises(DeviceMissing, match=r"PyCUDA can't be used .* --device cpu"):
        open_bundle(Config(device="cuda"))
