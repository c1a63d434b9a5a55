"""What a capture thread tells of its camera: changes of state, and its numbers at a moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from stream.errors import Reason
from stream.frame import SourceFrame
from stream.sources.source import StreamInfo

State = Literal["connecting", "live", "stalled", "offline", "ended"]


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A camera's state, told when it changes.

    connecting -> live -> (stalled | offline) -> connecting -> ..., for ever; a file ends in
    `ended`. `live` is told again, with the reason, for each new epoch within a connection.

    Attributes:
        reason: why; with `ended`, why a file couldn't be played to its end.
        detail: a sentence for people, masked.
        epoch: the stream epoch of the newest frame.
        next_retry_s: how long until the next attempt; None where none is planned.
        reconnects: how often the camera has come back so far.
    """

    camera: str
    state: State
    reason: Reason | None
    detail: str
    epoch: int
    next_retry_s: float | None
    reconnects: int


@dataclass(frozen=True, slots=True)
class CaptureSnapshot:
    """The camera's numbers at a moment, for status and heartbeat.

    Attributes:
        received: frames decoded so far; received_fps: lately.
        dropped: frames not used so far, by cause: thinned (two on one tick), late (reading fell
            behind), corrupt, untimed (no timestamp), shed (samples the model was too slow for).
        repeated: ticks that repeated the frame before.
        last_frame_age_s: None before the first frame.
        info: what opening told; None before.
    """

    camera: str
    state: State
    reason: Reason | None
    epoch: int
    received: int
    received_fps: float
    dropped: Mapping[str, int]
    repeated: int
    last_frame_age_s: float | None
    reconnects: int
    queue_depth: int
    info: StreamInfo | None


def explained(
    reason: Reason | None, frame: SourceFrame, info: StreamInfo | None, max_gap_s: float
) -> str:
    """Why an epoch began with this frame, in a sentence; without a reason, what is seen now."""
    size = f"{frame.width}x{frame.height} px"
    if reason is Reason.SIZE_CHANGE:
        return f"the picture's size has changed to {size}"
    if reason is Reason.CLOCK_JUMP:
        return "the camera's timestamps jumped"
    if reason is Reason.OVERLOAD:
        return "this machine was too slow for the camera, and a hole was left"
    if reason is Reason.STALL:
        return f"nothing came for more than {max_gap_s:g} s"
    return f"{info.codec if info else 'video'}, {size}"
