"""What the daemon knows of each camera: its state, its rates, and whether the machine keeps up."""

from __future__ import annotations

from typing import Any

from stream.capturing import Capture
from stream.errors import Reason
from stream.messaging.messages import CameraHealth, Rates, State
from stream.rate import Rate
from stream.shedding import Overload, Shedding
from stream.status import StatusChange

_REMEDY = "use a smaller stream, fewer cameras or a smaller bundle"


class CameraMonitor:
    """What is known of one camera. The main thread's alone.

    Args:
        capture: its thread, asked for its numbers when they are needed.
        epoch: its first stream epoch.
        shedding: what the daemon leaves out.

    Attributes:
        state, reason, detail: as last told by the capture thread.
        first_epoch: what is of an earlier one is of a camera that had this name before.
        epoch: the newest stream epoch that was told.
    """

    def __init__(self, capture: Capture, epoch: int, shedding: Shedding) -> None:
        self.name = capture.camera.name
        self.state: State = "connecting"
        self.reason: Reason | None = None
        self.detail = ""
        self.first_epoch = self.epoch = epoch
        self._capture = capture
        self._shedding = shedding
        self._overload = Overload()
        self._predictions = Rate()
        self._next_retry_s: float | None = None

    def changed(self, change: StatusChange, now_ns: int) -> None:
        """Notes what the capture thread tells."""
        self.state, self.reason, self.detail = change.state, change.reason, change.detail
        self.epoch, self._next_retry_s = change.epoch, change.next_retry_s
        if self.reason is None and not self._shedding.wants_flow():
            self.keeps_up(now_ns)

    def recognised(self, shed_before: int, now_ns: int) -> bool:
        """Notes a prediction; True where an overload began or ended with it."""
        self._predictions.add(now_ns)
        return self._overload.note(now_ns, shed_before) and self.keeps_up(now_ns)

    def keeps_up(self, now_ns: int) -> bool:
        """Says how well the machine keeps up with it; False where it isn't live, and nothing is."""
        if self.state != "live":
            return False
        shed = f"{self._overload.share(now_ns):.0%} of the samples are shed"
        self.reason = Reason.OVERLOAD
        if self._shedding.wants_flow() and not self._overload.active:
            self.reason, self.detail = None, "this machine keeps up again"
        elif self._shedding.wants_flow():
            self.detail = f"this machine is too slow: {shed}; {_REMEDY}"
        elif not self._overload.active:
            self.detail = f"this machine is too slow for both streams: RGB looks alone; {_REMEDY}"
        else:
            self.detail = f"this machine is too slow even for RGB alone: {shed}; {_REMEDY}"
        return True

    def ended(self, detail: str) -> None:
        """Notes that the daemon itself ends it."""
        self.state, self.reason, self.detail = "ended", None, detail
        self._next_retry_s = None

    def status_fields(self, now_ns: int) -> dict[str, Any]:
        """What a status message says of it."""
        now = self._capture.snapshot()
        return {
            "state": self.state,
            "reason": self.reason,
            "detail": self.detail,
            "url": self._capture.camera.masked_url,
            "last_frame_age_s": _rounded(now.last_frame_age_s),
            "rates": Rates(
                captured_fps=round(now.received_fps, 2),
                predictions_hz=self._predictions.per_s(now_ns),
            ),
            "reconnects": now.reconnects,
            "next_retry_s": _rounded(self._next_retry_s),
        }

    def health(self, now_ns: int) -> CameraHealth:
        """What the heartbeat says of it."""
        now = self._capture.snapshot()
        return CameraHealth(
            camera=self.name,
            state=self.state,
            stream_epoch=self.epoch,
            last_frame_age_s=_rounded(now.last_frame_age_s),
            captured_fps=round(now.received_fps, 2),
            predictions_hz=self._predictions.per_s(now_ns),
            dropped=dict(now.dropped),
            queue_depth=now.queue_depth,
        )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
