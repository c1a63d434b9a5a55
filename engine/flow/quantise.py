"""Flow as bytes: 128 + rint(127 * v / bound), clipped to +-bound.

The range is 1..255 around 128, so the mirror image of a flow is exactly 256 - q.
"""

from __future__ import annotations

import numpy as np

from engine.arrays import F32, U8

ZERO = 128
STEPS = 127


def quantise(flow: F32, bound_px: float) -> U8:
    """flow [2,H,W] in px per grid step -> [2,H,W] bytes."""
    scaled: F32 = np.rint(np.clip(flow, -bound_px, bound_px) * np.float32(STEPS / bound_px))
    return (scaled + ZERO).astype(np.uint8)


def dequantise(quantised: U8, bound_px: float) -> F32:
    """The middle of each byte's interval, in px per grid step."""
    return (quantised.astype(np.float32) - ZERO) * np.float32(bound_px / STEPS)
