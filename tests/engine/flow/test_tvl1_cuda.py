"""The GPU's estimator on a device that is none: the kernels run on the CPU."""

import logging

import numpy as np
import pytest

from engine.errors import DeviceMissing, FlowMismatch
from engine.flow import open as opening
from engine.flow import tvl1_cuda
from engine.flow.open import open_default_flow, open_flow
from engine.flow.tvl1 import TvL1Flow
from engine.flow.tvl1_cuda import CudaTvL1Flow
from engine.manifest import FlowEntry
from tests.engine.flow.host_device import HostDevice
from tests.engine.flow.pictures import PORTABLE, end_point_error_px, moving

DIS, TVL1 = FlowEntry(bound_px=8.0), FlowEntry(bound_px=8.0, parameters=PORTABLE)
FLOWS = {"dis": DIS, "tvl1": TVL1}


@pytest.fixture
def device(library):
    return HostDevice(library)


@pytest.fixture
def gpu(device, monkeypatch):
    """The device, as the one that this machine has."""
    monkeypatch.setattr(tvl1_cuda, "open_gpu", lambda: device)
    monkeypatch.setattr(opening, "describe_machine", _with_driver)
    return device


class _with_driver:  # noqa: N801  (stands in for a function)
    nvidia_driver = "580.1"


def test_flow_is_the_cpus(gpu):
    pair = moving(61, 83)
    flow = open_flow("tvl1", PORTABLE, device="cuda")
    found = flow.estimate(*pair)
    assert (flow.name, found.dtype, found.shape) == ("tvl1", np.float32, (2, 61, 83))
    assert np.median(found, axis=(1, 2)) == pytest.approx([2, -1], abs=0.1)
    assert end_point_error_px(found, TvL1Flow(PORTABLE).estimate(*pair)) < 0.01


def test_an_estimate_does_not_depend_on_those_before(device):
    flow, (previous, current) = CudaTvL1Flow(PORTABLE, device), moving(61, 83)
    once = flow.estimate(previous, current)
    other = flow.estimate(current, previous)
    assert not np.array_equal(once, other)
    assert np.array_equal(flow.estimate(previous, current), once)


def test_memory_is_taken_once_for_a_size_and_given_back_with_it(device):
    flow = CudaTvL1Flow(PORTABLE, device)
    flow.estimate(*moving(40, 50))
    taken = list(device.allocated)
    flow.estimate(*moving(40, 50, seed=1))
    assert device.allocated == taken
    assert flow.estimate(*moving(32, 40)).shape == (2, 32, 40)
    assert all(memory.freed for memory in taken)
    assert not any(memory.freed for memory in device.allocated[len(taken) :])


def test_the_gpu_is_only_current_while_it_computes(device):
    flow = CudaTvL1Flow(PORTABLE, device)
    flow.estimate(*moving(40, 50))
    assert not device.is_current
    with pytest.raises(FlowMismatch, match="too small"):
        flow.estimate(*moving(15, 50))
    assert not device.is_current


def test_auto_takes_the_gpu_where_there_is_one(gpu):
    assert isinstance(open_flow("tvl1", PORTABLE, device="auto"), CudaTvL1Flow)


def test_the_cpu_is_what_it_was(gpu):
    assert isinstance(open_flow("tvl1", {}), TvL1Flow)


def test_auto_falls_back_with_the_reason(gpu, caplog):
    with caplog.at_level(logging.WARNING):
        assert isinstance(open_flow("tvl1", {}, device="auto"), TvL1Flow)
    assert "runs on the CPU, slowly: flow tvl1 on a GPU takes a fixed number" in caplog.text


def test_auto_says_nothing_where_there_is_no_gpu_to_miss(monkeypatch, caplog):
    monkeypatch.setattr(_with_driver, "nvidia_driver", None)
    monkeypatch.setattr(opening, "describe_machine", _with_driver)
    with caplog.at_level(logging.WARNING):
        assert isinstance(open_flow("tvl1", PORTABLE, device="auto"), TvL1Flow)
    assert not caplog.records


def test_cuda_falls_back_to_nothing(gpu, monkeypatch):
    def missing():
        raise DeviceMissing("there is no GPU")

    monkeypatch.setattr(tvl1_cuda, "open_gpu", missing)
    with pytest.raises(DeviceMissing, match="no GPU"):
        open_flow("tvl1", PORTABLE, device="cuda")
    with pytest.raises(FlowMismatch, match="epsilon = 0"):
        open_flow("tvl1", {}, device="cuda")


def test_dis_needs_no_gpu_wherever_it_is_asked_for():
    assert open_flow("dis", {}, device="cuda").name == "dis"


@pytest.mark.parametrize("asked", ["auto", "cuda"])
def test_where_nobody_says_which_the_gpu_estimates_what_it_can(gpu, asked):
    flow = open_default_flow(FLOWS, asked)
    assert (flow.name, flow.device) == ("tvl1", "cuda")


@pytest.mark.parametrize(
    ("asked", "flows", "name"),
    [
        ("cpu", FLOWS, "dis"),
        ("auto", {"dis": DIS}, "dis"),
        ("cpu", {"tvl1": TVL1, "dis": DIS}, "tvl1"),
    ],
)
def test_elsewhere_the_bundles_first_flow_runs_on_the_cpu(gpu, asked, flows, name):
    flow = open_default_flow(flows, asked)
    assert (flow.name, flow.device) == (name, "cpu")


def test_without_a_driver_nothing_is_missed(gpu, monkeypatch, caplog):
    monkeypatch.setattr(_with_driver, "nvidia_driver", None)
    with caplog.at_level(logging.WARNING):
        assert open_default_flow(FLOWS, "auto").name == "dis"
    assert not caplog.records


@pytest.mark.parametrize("asked", ["auto", "cuda"])
def test_a_gpu_that_can_not_estimate_it_leaves_the_first_flow_with_the_reason(gpu, caplog, asked):
    flows = FLOWS | {"tvl1": FlowEntry(bound_px=8.0)}  # as OpenCV does: no fixed number of steps
    with caplog.at_level(logging.WARNING):
        assert open_default_flow(flows, asked).name == "dis"
    [record] = caplog.records
    assert record.getMessage().startswith(
        "flow dis runs on the CPU, not tvl1 on the GPU: flow tvl1"
    )
