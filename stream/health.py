"""What the daemon knows of its own health: rates, overload, and the state of each camera."""

from __future__ import annotations

from collections import deque
from typing import Any

from stream.capture import CaptureThread
from stream.errors import Reason
from stream.messaging.messages import CameraHealth, Rates, State
from stream.status import StatusChange

RATE_OVER_S = 5
OVERLOADED_SHARE = 0.05  # of the samples of the last seconds, lost
RECOVERED_AFTER_S = 10.0  # without any loss
FEWEST_SAMPLES = 20  # to speak of a share
_SECOND_NS = 1_000_000_000


class Rate:
    """How many a second, over the last whole seconds."""

    def __init__(self, over_s: int = RATE_OVER_S) -> None:
        self._over_s = over_s
        self._buckets: deque[tuple[int, int]] = deque(maxlen=over_s + 1)  # (second, count)
        self._first_ns: int | None = None

    def add(self, now_ns: int, count: int = 1) -> None:
        """Counts some more."""
        if self._first_ns is None:
            self._first_ns = now_ns
        second = now_ns // _SECOND_NS
        if self._buckets and self._buckets[-1][0] == second:
            count += self._buckets.pop()[1]
        self._buckets.append((second, count))

    def total(self, now_ns: int) -> int:
        """How many in the last `over_s` seconds."""
        oldest = now_ns // _SECOND_NS - self._over_s
        return sum(count for second, count in self._buckets if second > oldest)

    def per_s(self, now_ns: int) -> float:
        """How many a second, lately; right from the first second on."""
        if self._first_ns is None:
            return 0.0
        in_this_second_s = (now_ns % _SECOND_NS) / _SECOND_NS
        watched_s = min((now_ns - self._first_ns) / _SECOND_NS, self._over_s - 1 + in_this_second_s)
        return round(self.total(now_ns) / max(watched_s, 1.0), 2)


class Overload:
    """Says when a camera loses samples because the machine is too slow, and when no more.

    It begins where the share of lost samples is felt, and ends only after a while without any,
    so that a machine at its limit does not send a status each second.
    """

    def __init__(self) -> None:
        self.active = False
        self._samples, self._shed = Rate(), Rate()
        self._last_shed_ns = 0

    def note(self, now_ns: int, shed: int) -> bool:
        """Notes a sample and how many were shed before it; True where `active` changed."""
        self._samples.add(now_ns, 1 + shed)
        self._shed.add(now_ns, shed)
        if shed:
            self._last_shed_ns = now_ns
        if self.active:
            changed = now_ns - self._last_shed_ns >= RECOVERED_AFTER_S * _SECOND_NS
        else:
            changed = self.share(now_ns) >= OVERLOADED_SHARE
        self.active ^= changed
        return changed

    def share(self, now_ns: int) -> float:
        """The share of samples lost, lately; 0 before there are enough to say."""
        samples = self._samples.total(now_ns)
        return self._shed.total(now_ns) / samples if samples >= FEWEST_SAMPLES else 0.0


class CameraMonitor:
    """What is known of one camera. The main thread's alone.

    Args:
        capture: its thread, asked for its numbers when they are needed.
        epoch: its first stream epoch.

    Attributes:
        state, reason, detail: as last told by the capture thread.
        first_epoch: what is of an earlier one is of a camera that had this name before.
        epoch: the newest stream epoch that was told.
    """

    def __init__(self, capture: CaptureThread, epoch: int = 0) -> None:
        self.name = capture.camera.name
        self.state: State = "connecting"
        self.reason: Reason | None = None
        self.detail = ""
        self.first_epoch = self.epoch = epoch
        self._capture = capture
        self._overload = Overload()
        self._predictions = Rate()
        self._next_retry_s: float | None = None

    def changed(self, change: StatusChange) -> None:
        """Notes what the capture thread tells."""
        self.state, self.reason, self.detail = change.state, change.reason, change.detail
        self.epoch, self._next_retry_s = change.epoch, change.next_retry_s

    def recognised(self, shed_before: int, now_ns: int) -> bool:
        """Notes a prediction; True where an overload began or ended with it."""
        self._predictions.add(now_ns)
        if not self._overload.note(now_ns, shed_before) or self.state != "live":
            return False
        if self._overload.active:
            share = self._overload.share(now_ns)
            self.reason = Reason.OVERLOAD
            self.detail = (
                f"this machine is too slow: {share:.0%} of the samples are shed; use a smaller"
                " stream, fewer cameras or a smaller bundle"
            )
        else:
            self.reason, self.detail = None, "this machine keeps up again"
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
