"""Opens a flow by its name: the one place that knows which there are."""

from __future__ import annotations

from collections.abc import Mapping

from engine.errors import FlowMismatch
from engine.flow.estimator import FlowEstimator, FlowParameter


def open_flow(name: str, parameters: Mapping[str, FlowParameter]) -> FlowEstimator:
    """An estimator by the name and parameters of a bundle's manifest.

    Raises FlowMismatch for a name or a parameter that this version doesn't know.
    """
    # Imported here, so that neither flow is needed to use the other.
    if name == "dis":
        from engine.flow.dis import DisFlow

        return DisFlow(parameters)
    if name == "tvl1":
        from engine.flow.tvl1 import TvL1Flow

        return TvL1Flow(parameters)
    raise FlowMismatch(f"there is no flow '{name}' in this version; use dis or tvl1")
