"""Where the model looked: one camera's spatial attention of the last seconds, and how it is drawn.

Shapes: h w rows and columns of a map, H W of a picture as the camera sends it.
"""

from __future__ import annotations

import threading

import cv2
import numpy as np

from engine.arrays import F32, U8
from engine.attention import mask
from engine.manifest import Manifest
from stream.evidence.holds import SECOND_NS, Holds

STRONGEST = 0.6  # of the colour where the attention is largest; the rest is the picture
FRAME = (255, 255, 255)  # around what the model sees, RGB


class AttentionRing:
    """The maps of one camera's samples, as long as `holds` keeps them. Any thread may use it.

    step_s: from one sample to the next.
    """

    def __init__(self, holds: Holds, *, step_s: float) -> None:
        self._holds = holds
        self._step_ns = round(step_s * SECOND_NS)
        self._lock = threading.Lock()
        self._maps: list[tuple[int, F32]] = []  # when they were captured, UTC, and [h,w]
        self._pruned_ns = 0

    def add(self, captured_ns: int, attention: F32) -> None:
        """Takes the map [h,w] of the newest sample."""
        with self._lock:
            self._maps.append((captured_ns, attention))
            if abs(captured_ns - self._pruned_ns) >= SECOND_NS:
                self._pruned_ns = captured_ns
                self._maps = [
                    (at_ns, each)
                    for at_ns, each in self._maps
                    if self._holds.keep(at_ns, at_ns, newest_ns=captured_ns)
                ]

    def at(self, time_ns: int) -> tuple[int, F32] | None:
        """The sample nearest to a time: when it was captured, UTC, and its map; None where it is
        more than a step away."""
        with self._lock:
            found = min(self._maps, key=lambda each: abs(each[0] - time_ns), default=None)
        return None if found is None or abs(found[0] - time_ns) > self._step_ns else found


def draw_attention(image: U8, attention: F32, manifest: Manifest) -> U8:
    """A picture [H,W,3] RGB with a map [h,w] over the part that the model sees, in a frame.

    The brighter and warmer, the more attention: Fig. 6's mask, as a heat map. What lies outside of
    the frame the model hasn't seen, and it stays as it is.
    """
    height, width = image.shape[:2]
    across, down = width / manifest.resize[0], height / manifest.resize[1]
    left, top, crop_width, crop_height = manifest.crop
    x0, x1 = round(left * across), round((left + crop_width) * across)
    y0, y1 = round(top * down), round((top + crop_height) * down)
    weights = mask(attention, (x1 - x0, y1 - y0))
    shades = np.rint(weights * 255).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(shades, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    share = STRONGEST * weights[..., None]  # [y,x,1]
    drawn = image.copy()
    seen = drawn[y0:y1, x0:x1]
    seen[:] = np.rint(seen * (1 - share) + colours * share).astype(np.uint8)
    cv2.rectangle(drawn, (x0, y0), (x1 - 1, y1 - 1), FRAME, max(1, height // 360))
    return drawn
