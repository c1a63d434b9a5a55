"""Opens a flow by its name: the one place that knows which there are."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from engine.errors import EngineError, FlowMismatch
from engine.flow.estimator import FlowEstimator, FlowParameter
from engine.machine import describe_machine

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
    if device == "cuda" or (device == "auto" and describe_machine().nvidia_driver):
        from engine.flow.tvl1_cuda import CudaTvL1Flow

        try:
            return CudaTvL1Flow(parameters)
        except EngineError as error:
            if device == "cuda":
                raise
            log.warning("flow tvl1 runs on the CPU, slowly: %s", error)
    from engine.flow.tvl1 import TvL1Flow

    return TvL1Flow(parameters)
