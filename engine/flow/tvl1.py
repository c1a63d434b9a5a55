"""TV-L1 flow (Zach, Pock and Bischof, 2007) by OpenCV: the paper's, exact and slow on a CPU."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from engine.arrays import F32, U8
from engine.errors import FlowMismatch
from engine.flow.estimator import FlowParameter

_SETTERS = {
    "tau": "setTau",
    "lambda": "setLambda",
    "theta": "setTheta",
    "scales": "setScalesNumber",
    "warps": "setWarpingsNumber",
    "epsilon": "setEpsilon",
    "inner_iterations": "setInnerIterations",
    "outer_iterations": "setOuterIterations",
    "scale_step": "setScaleStep",
    "median_filtering": "setMedianFiltering",
}


class TvL1Flow:
    """parameters: OpenCV's (`lambda`, `warps`, `inner_iterations`, ...), its defaults else."""

    name = "tvl1"

    def __init__(self, parameters: Mapping[str, FlowParameter]) -> None:
        unknown = set(parameters) - set(_SETTERS)
        if unknown:
            raise FlowMismatch(
                f"flow tvl1 has no parameter '{min(unknown)}'; it has {', '.join(_SETTERS)}"
            )
        # The whole process's setting, as for DIS.
        cv2.setNumThreads(1)
        self._tvl1 = cv2.optflow.createOptFlow_DualTVL1()
        for parameter, value in parameters.items():
            getattr(self._tvl1, _SETTERS[parameter])(value)

    def estimate(self, previous: U8, current: U8) -> F32:
        """Grey [H,W] x 2 -> [2,H,W] px per grid step."""
        # None: no initial flow, as for DIS.
        flow = self._tvl1.calc(previous, current, None)  # type: ignore[call-overload]  # [H,W,2]
        return np.ascontiguousarray(flow.transpose(2, 0, 1), dtype=np.float32)  # [2,H,W]
