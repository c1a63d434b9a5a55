"""DIS flow (Kroeger et al., 2016) by OpenCV: real time on a CPU."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from engine.arrays import F32, U8
from engine.errors import FlowMismatch
from engine.flow.estimator import FlowParameter

_PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}


class DisFlow:
    """parameters: `preset`, one of ultrafast, fast, medium (the default)."""

    name = "dis"

    def __init__(self, parameters: Mapping[str, FlowParameter]) -> None:
        unknown = set(parameters) - {"preset"}
        if unknown:
            raise FlowMismatch(f"flow dis has no parameter '{min(unknown)}'; it has preset")
        preset = parameters.get("preset", "medium")
        if preset not in _PRESETS:
            raise FlowMismatch(
                f"flow dis has no preset '{preset}'; use one of {', '.join(_PRESETS)}"
            )
        # The whole process's setting: cameras, each in its own thread, are the parallelism.
        # OpenCV's own pool would fight with them and with the inference thread over the cores.
        cv2.setNumThreads(1)
        self._dis = cv2.DISOpticalFlow.create(_PRESETS[str(preset)])

    def estimate(self, previous: U8, current: U8) -> F32:
        """Grey [H,W] x 2 -> [2,H,W] px per grid step."""
        # Without an initial flow (a None that OpenCV's stubs don't know of) nothing carries over
        # from the call before.
        flow = self._dis.calc(previous, current, None)  # type: ignore[call-overload]  # [H,W,2]
        return np.ascontiguousarray(flow.transpose(2, 0, 1), dtype=np.float32)  # [2,H,W]
