"""From a camera's picture to model scale: the same for streams, files and training."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from engine.arrays import U8


def resize(image: U8, size: tuple[int, int]) -> U8:
    """Scale an RGB image [H,W,3] to `size` = (width, height) -> [height,width,3].

    Area averaging: the only one of OpenCV's filters that doesn't alias when a 4K picture shrinks.
    The aspect ratio is not kept: the model is trained on pictures resized in the same way.
    """
    return cast(U8, cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def grey(image: U8, downsampling: int = 1) -> U8:
    """RGB [H,W,3] -> luma [H/p,W/p] (BT.601), what flow is computed on.

    downsampling (p): each pixel is the mean of p x p of them; p divides H and W.
    """
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    height, width = luma.shape
    if height % downsampling or width % downsampling:
        raise ValueError(f"{width}x{height} px can't be divided by {downsampling}")
    if downsampling == 1:
        return cast(U8, luma)
    size = (width // downsampling, height // downsampling)
    return cast(U8, cv2.resize(luma, size, interpolation=cv2.INTER_AREA))


def centre_crop(array: U8, size: int, channels_last: bool) -> U8:
    """Cut the middle `size` x `size` px out of [H,W,...] (channels_last) or [...,H,W].

    Returns a contiguous copy, so that the caller may reuse the source's memory.
    Raises ValueError where the array is smaller than the crop.
    """
    height, width = array.shape[:2] if channels_last else array.shape[-2:]
    if size > height or size > width:
        raise ValueError(f"can't cut {size}x{size} px out of {width}x{height} px")
    top, left = (height - size) // 2, (width - size) // 2
    rows, columns = slice(top, top + size), slice(left, left + size)
    crop = array[rows, columns] if channels_last else array[..., rows, columns]
    return np.array(crop, order="C")
