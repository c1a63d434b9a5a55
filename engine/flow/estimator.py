"""The estimator protocol: what every flow is."""

from __future__ import annotations

from typing import Protocol

from engine.arrays import F32, U8

FlowParameter = str | int | float | bool


class FlowEstimator(Protocol):
    """Dense optical flow of one camera. Not for use by two threads at once.

    device: cpu or cuda, as `engine.flow.open.open_flow` takes it.
    """

    name: str
    device: str

    def estimate(self, previous: U8, current: U8) -> F32:
        """Two grey images [H,W] -> flow [2,H,W] (x, then y) in px per grid step.

        flow[:, y, x] is how far the pixel at (x, y) of `previous` has moved. Depends on the two
        images alone, bit for bit.
        """
        ...
