"""What a camera sees outside of its region, made unrecognisable in what is kept of events."""

from __future__ import annotations

from typing import cast

import cv2

from engine.arrays import U8
from stream.region import Region

# Along the picture's longer side. Somebody who fills the picture is 16 of them tall at most, and
# their face two: whatever was smaller than a cell is gone, and no filter brings it back.
CELLS = 16


def blurred(image: U8, region: Region) -> U8:
    """A picture [h,w,3] or a plane [h,w] of one, blurred outside of a region of its size."""
    height, width = image.shape[:2]
    cell = max(width, height) / CELLS  # px
    cells = max(1, round(width / cell)), max(1, round(height / cell))
    means = cv2.resize(image, cells, interpolation=cv2.INTER_AREA)
    smooth = cv2.resize(means, (width, height), interpolation=cv2.INTER_LINEAR)
    inside = ~region.outside
    smooth[inside] = image[inside]
    return cast(U8, smooth)
