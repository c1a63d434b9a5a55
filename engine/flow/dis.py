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
_COARSEST = 5  # a 32nd: more is no flow any more


class DisFlow:
    """parameters: `preset`, one of ultrafast, fast, medium (the default), and `finest_scale`, at
    which flow is computed before it is enlarged: 0 for every pixel, 1 (medium's) for each second
    one of a row and a column, and so on.
    """

    name = "dis"
    device = "cpu"

    def __init__(self, parameters: Mapping[str, FlowParameter]) -> None:
        unknown = set(parameters) - {"preset", "finest_scale"}
        if unknown:
            raise FlowMismatch(
                f"flow dis has no parameter '{min(unknown)}'; it has preset and finest_scale"
            )
        preset = parameters.get("preset", "medium")
        if preset not in _PRESETS:
            raise FlowMismatch(
                f"flow dis has no preset '{preset}'; use one of {', '.join(_PRESETS)}"
            )
        # The whole process's setting: cameras, each in its own thread, are the parallelism.
        # OpenCV's own pool would fight with them and with the inference thread over the cores.
        cv2.setNumThreads(1)
        self._dis = cv2.DISOpticalFlow.create(_PRESETS[str(preset)])
        if "finest_scale" in parameters:
            self._dis.setFinestScale(_scale(parameters["finest_scale"]))

    def estimate(self, previous: U8, current: U8) -> F32:
        """Grey [H,W] x 2 -> [2,H,W] px per grid step."""
        # Without an initial flow (a None that OpenCV's stubs don't know of) nothing carries over
        # from the call before.
        flow = self._dis.calc(previous, current, None)  # type: ignore[call-overload]  # [H,W,2]
        return np.ascontiguousarray(flow.transpose(2, 0, 1), dtype=np.float32)  # [2,H,W]


def _scale(given: FlowParameter) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= _COARSEST:
        raise FlowMismatch(
            f"finest_scale of flow dis is a whole number from 0 to {_COARSEST}, not {given!r}"
        )
    return given
