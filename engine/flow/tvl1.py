"""TV-L1 flow (Zach, Pock and Bischof, 2007) by OpenCV: the paper's, exact and slow on a CPU."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from engine.arrays import F32, U8
from engine.flow.estimator import FlowParameter
from engine.flow.tvl1_settings import TvL1Settings


class TvL1Flow:
    """parameters: OpenCV's (`lambda`, `warps`, `inner_iterations`, ...), its defaults else."""

    name = "tvl1"
    device = "cpu"

    def __init__(self, parameters: Mapping[str, FlowParameter]) -> None:
        settings = TvL1Settings.of(parameters)
        # The whole process's setting, as for DIS.
        cv2.setNumThreads(1)
        self._tvl1 = cv2.optflow.createOptFlow_DualTVL1()
        self._tvl1.setTau(settings.tau)
        self._tvl1.setLambda(settings.lambda_)
        self._tvl1.setTheta(settings.theta)
        self._tvl1.setScalesNumber(settings.scales)
        self._tvl1.setWarpingsNumber(settings.warps)
        self._tvl1.setEpsilon(settings.epsilon)
        self._tvl1.setInnerIterations(settings.inner_iterations)
        self._tvl1.setOuterIterations(settings.outer_iterations)
        self._tvl1.setScaleStep(settings.scale_step)
        self._tvl1.setMedianFiltering(settings.median_filtering)

    def estimate(self, previous: U8, current: U8) -> F32:
        """Grey [H,W] x 2 -> [2,H,W] px per grid step."""
        # None: no initial flow, as for DIS.
        flow = self._tvl1.calc(previous, current, None)  # type: ignore[call-overload]  # [H,W,2]
        return np.ascontiguousarray(flow.transpose(2, 0, 1), dtype=np.float32)  # [2,H,W]
