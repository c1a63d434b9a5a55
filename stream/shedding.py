"""What a daemon leaves out while its machine is too slow for its cameras, and until when.

    nothing    both streams look at every sample
    samples    some are shed, those that waited for too long: the window repeats the feature before,
               and isn't complete, so that no event begins
    flow       RGB looks alone, by its own calibration: half the work, and complete windows again.
               Samples are still shed where even that is too much

Latency stays what it is at every step: a sample that waits for too long is shed, never queued.
"""

from __future__ import annotations

import logging

from stream.messaging.messages import Shed
from stream.rate import RATE_OVER_S, Rate

OVERLOADED_SHARE = 0.05  # of the samples of the last seconds, lost
RECOVERED_AFTER_S = 10.0  # without any loss
FEWEST_SAMPLES = 20  # to speak of a share
PATIENCE_S = 10.0  # of shedding samples: a machine may be busy with something else for a moment
ROOM = 0.8  # of what both streams could do: samples that are no more than that have room
FIRST_TRIAL_S, LAST_TRIAL_S = 60.0, 960.0  # without any loss, until both are tried without room
_SECOND_NS = 1_000_000_000

_log = logging.getLogger(__name__)


class Overload:
    """Says when samples are lost because the machine is too slow, and when no more.

    It begins where the share of lost samples is felt, and ends only after a while without any,
    so that a machine at its limit does not send a status each second.

    Attributes:
        active: whether it goes on.
        last_shed_ns: when a sample was last lost; 0 before the first.
    """

    def __init__(self) -> None:
        self.active = False
        self.last_shed_ns = 0
        self._samples, self._shed = Rate(), Rate()

    def note(self, now_ns: int, shed: int) -> bool:
        """Notes a sample and how many were shed before it; True where `active` changed."""
        self._samples.add(now_ns, 1 + shed)
        self._shed.add(now_ns, shed)
        if shed:
            self.last_shed_ns = now_ns
        if self.active:
            changed = now_ns - self.last_shed_ns >= RECOVERED_AFTER_S * _SECOND_NS
        else:
            lately = now_ns - self.last_shed_ns < (RATE_OVER_S + 1) * _SECOND_NS
            changed = lately and self.share(now_ns) >= OVERLOADED_SHARE
        self.active ^= changed
        return changed

    def goes_on(self, now_ns: int) -> bool:
        """Whether it is active, and not only since no sample has come that would end it."""
        return self.active and now_ns - self.last_shed_ns < RECOVERED_AFTER_S * _SECOND_NS

    def share(self, now_ns: int) -> float:
        """The share of samples lost, lately; 0 before there are enough to say."""
        samples = self._samples.total(now_ns)
        return self._shed.total(now_ns) / samples if samples >= FEWEST_SAMPLES else 0.0

    def offered_hz(self, now_ns: int) -> float:
        """Samples that came in a second, lately, with those that were lost."""
        return self._samples.per_s(now_ns)

    def done_hz(self, now_ns: int) -> float:
        """Samples that were looked at a second, lately."""
        return self._samples.per_s(now_ns) - self._shed.per_s(now_ns)


class Shedding:
    """Decides which step the whole daemon is at. The main thread's; any may ask `wants_flow`.

    Flow is given up after `PATIENCE_S` of losses. What both streams could do is known then: it is
    what was done while samples were lost. They come back once no more than `ROOM` of that is asked
    for, as when cameras have gone. Something else may have slowed the machine, so they are also
    tried after a minute without losses; each trial that fails doubles the wait for the next.

    Args:
        rgb_alone: whether flow may be given up at all.

    Attributes:
        step: where it is.
    """

    def __init__(self, *, rgb_alone: bool = True) -> None:
        self.step: Shed = "nothing"
        self._rgb_alone = rgb_alone
        self._overload = Overload()
        self._since_ns = 0  # of the step
        self._both_hz = 0.0  # samples a second that both streams could do
        self._trial_s = FIRST_TRIAL_S
        self._came_back_ns: int | None = None

    def wants_flow(self) -> bool:
        """Whether the flow stream is to look, too."""
        return self.step != "flow"

    def note(self, now_ns: int, shed: int) -> None:
        """Notes a sample of any camera, and how many of its camera were shed before it."""
        self._overload.note(now_ns, shed)

    def review(self, now_ns: int) -> bool:
        """Decides, about once a second; True where flow was given up, or comes back."""
        wanted = self.wants_flow()
        if not wanted:
            if self._has_room(now_ns):
                self._bring_back(now_ns)
        elif not self._overload.goes_on(now_ns):
            self.step = "nothing"
        elif self.step == "nothing":
            self.step, self._since_ns = "samples", now_ns
        elif self._rgb_alone and self._has_lost_enough(now_ns):
            self._give_up(now_ns)
        return self.wants_flow() != wanted

    def _has_lost_enough(self, now_ns: int) -> bool:
        patient_s = (now_ns - self._since_ns) / _SECOND_NS
        return patient_s >= PATIENCE_S and self._overload.share(now_ns) >= OVERLOADED_SHARE

    def _has_room(self, now_ns: int) -> bool:
        quiet_s = (now_ns - max(self._since_ns, self._overload.last_shed_ns)) / _SECOND_NS
        if quiet_s < RECOVERED_AFTER_S:
            return False
        asked_hz = self._overload.offered_hz(now_ns)
        return asked_hz <= ROOM * self._both_hz or quiet_s >= self._trial_s

    def _give_up(self, now_ns: int) -> None:
        came_back_ns = self._came_back_ns
        failed = came_back_ns is not None and now_ns - came_back_ns < self._trial_s * _SECOND_NS
        self._trial_s = min(2 * self._trial_s, LAST_TRIAL_S) if failed else FIRST_TRIAL_S
        self.step, self._since_ns = "flow", now_ns
        self._both_hz = self._overload.done_hz(now_ns)
        _log.warning("this machine is too slow for both streams: from now on RGB looks alone")

    def _bring_back(self, now_ns: int) -> None:
        self.step, self._since_ns = "nothing", now_ns
        self._came_back_ns = now_ns
        self._overload = Overload()
        _log.info("both streams are tried again")
