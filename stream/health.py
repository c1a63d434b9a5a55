"""What the daemon knows of its own health: rates, overload, and the state of each camera."""

from __future__ import annotations

from collections import deque

from stream.capture import StatusChange
from stream.config import CameraConfig
from stream.errors import Reason
from stream.inference import Recognised
from stream.messaging.messages import CameraHealth, Rates, State
from stream.samples import SampleQueue

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

    Attributes:
        state, reason, detail: as last told by its capture thread.
        shed: samples lost to overload so far.
    """

    def __init__(self, camera: CameraConfig, queue: SampleQueue) -> None:
        self.name = camera.name
        self.url = camera.masked_url
        self.state: State = "connecting"
        self.reason: Reason | None = None
        self.detail = ""
        self.epoch = 0
        self.overload = Overload()
        self._queue = queue
        self._reconnects = 0
        self._next_retry_s: float | None = None
        self._captured, self._predicted = Rate(), Rate()
        self._last_frame_ns: int | None = None

    def changed(self, change: StatusChange) -> None:
        """Notes what the capture thread says."""
        self.state, self.reason, self.detail = change.state, change.reason, change.detail
        self.epoch = max(self.epoch, change.epoch)
        self._reconnects, self._next_retry_s = change.reconnects, change.next_retry_s

    def recognised(self, item: Recognised, now_ns: int) -> bool:
        """Notes a result; True where an overload began or ended by it."""
