"""The estimator protocol, and the one place that knows which flows there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from engine.arrays import F32, U8
from engine.errors import FlowMismatch

FlowParameter = str | int | float | bool


class FlowEstimator(Protocol):
    """Dense optical flow of one camera. Not for use by two threads at once."""

    name: str

    def estimate(self, previous: U8, current: U8) -> F32:
        """Two grey images [H,W] -> flow [2,H,W] (x, then y) in px per grid step.

        flow[:, y, x] is how far the pixel at (x, y) of `previous` has moved. Depends on the two
        images alone, bit for bit.
        """
        ...


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
