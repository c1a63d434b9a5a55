"""Spatial attention as it is drawn: the mask of the paper's Fig. 6."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from engine.arrays import F32


def mask(attention: F32, size: tuple[int, int]) -> F32:
    """A map [h,w], of all scales together as equation (4) gives it, brought to a picture's size.

    The sum over the pyramid's levels is inside the map already, so there is one mask and not one
    a level. Args: size: width and height of what it lies over, in px.
    Returns [height,width]: 1 where the attention is largest, 0 where there is none.
    """
    wide = cv2.resize(attention.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    return cast(F32, np.clip(wide / attention.max(), 0, 1).astype(np.float32))
