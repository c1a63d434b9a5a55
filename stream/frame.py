"""One picture as a source hands it over, before the grid has judged it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from engine.arrays import U8

Clock = Literal["rtcp", "arrival", "device", "file"]


@dataclass(frozen=True, slots=True)
class SourceFrame:
    """A decoded frame with its times; the picture itself is converted only when asked for.

    The grid reads `pts_ns` alone. `captured_at_ns` goes into the messages and may be corrected
    from frame to frame (a late sender report) without any effect on ticks or epochs.

    Attributes:
        pts_ns: presentation time, nanoseconds on the source's own clock.
        captured_at_ns: when the picture was taken, UTC nanoseconds since 1970, best knowledge.
        clock: where `captured_at_ns` comes from.
        uncertainty_ms: how far `captured_at_ns` may be off.
        width, height: size in pixels as decoded.
        image: returns the picture, U8[H,W,3] RGB; a thinned frame never calls it.
        truth: the label of what is performed, where the source knows it (scenes only).
        lag_ms: how far reading has fallen behind a sender that doesn't wait (0 for a source that
            waits for its reader); the capture thread thins by it.
        lost: frames that the source itself gave up since the frame before, by cause.
        new_epoch: true for the first frame after a cut that the source knows of (a file's loop),
            which no window may span.
    """

    pts_ns: int
    captured_at_ns: int
    clock: Clock
    uncertainty_ms: float
    width: int
    height: int
    image: Callable[[], U8]
    truth: str | None = None
    lag_ms: float = 0.0
    lost: Mapping[str, int] = field(default_factory=dict)
    new_epoch: bool = False
