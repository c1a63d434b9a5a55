"""Opens a flow by its name: the one place that knows which there are."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from engine.errors import EngineError, FlowMismatch
from engine.flow.estimator import FlowEstimator, FlowParameter
from engine.machine import describe_machine
from engine.manifest import FlowEntry

log = logging.getLogger(__name__)


def open_flow(
    name: str, parameters: Mapping[str, FlowParameter], device: str = "cpu"
) -> FlowEstimator:
    """An estimator by the name and parameters of a bundle's manifest.

    device: cpu or cuda, or auto for the GPU where there is one that can, else the CPU, with a
    warning that says why. dis runs on the CPU whatever the device.

    Raises FlowMismatch for a name or a parameter that this version doesn't know, and with cuda
    DeviceMissing or DeviceFailed.
    """
    # Imported here, so that no flow is needed to use another.
    if name == "dis":
        from engine.flow.dis import DisFlow

        return DisFlow(parameters)
    if name != "tvl1":
        raise FlowMismatch(f"there is no flow '{name}' in this version; use dis or tvl1")
    if _gpu_wanted(device):
        from engine.flow.tvl1_cuda import CudaTvL1Flow

        try:
            return CudaTvL1Flow(parameters)
        except EngineError as error:
            if device == "cuda":
                raise
            log.warning("flow tvl1 runs on the CPU, slowly: %s", error)
    from engine.flow.tvl1 import TvL1Flow

    return TvL1Flow(parameters)


def open_default_flow(flows: Mapping[str, FlowEntry], device: str) -> FlowEstimator:
    """The one of a bundle's flows to run where nobody says which.

    It is the first of them, but on a GPU, where `device` (as of `open_flow`) allows one, it is
    tvl1, which is estimated there. Where that fails a warning says why the first one runs.
    """
    name = next(iter(flows))
    if name != "tvl1" and "tvl1" in flows and _gpu_wanted(device):
        try:
            return open_flow("tvl1", flows["tvl1"].parameters, "cuda")
        except EngineError as error:
            log.warning("flow %s runs on the CPU, not tvl1 on the GPU: %s", name, error)
    return open_flow(name, flows[name].parameters, device)


def _gpu_wanted(device: str) -> bool:
    return device == "cuda" or (device == "auto" and bool(describe_machine().nvidia_driver))
