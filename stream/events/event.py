"""An event, as it stands after each change of its life."""

from __future__ import annotations

import uuid
from typing import Literal

import msgspec

from stream.events.evidence import Evidence
from stream.events.rule import RuleConfig, Severity

Phase = Literal["start", "update", "end"]
EndReason = Literal["below_exit", "stream_lost", "shutdown", "disabled", "crash"]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One action on one camera, from when it began until it is over. Times are UTC nanoseconds.

    event_id: the same for life. revision: rises by one with every change, from 0.
    label: the likeliest of the rule's labels at the peak.
    start_ns: the newest frame of the first prediction at or above `enter`. The action itself began
        up to `onset_uncertainty_s` before.
    seen_ns: the newest frame of the last prediction that counted.
    end_ns: the last one at or above `exit`, or what was last seen where it ended for another
        reason; None while it goes on.
    peak: the highest probability so far, at `peak_ns`.
    key_ns: the frame that the model looked at most for it.
    lasted_s: from `start_ns` to `end_ns`, or to `seen_ns`, on the stream's own clock: those are by
        a clock that may be set meanwhile. None in stores that are older than it.
    """

    event_id: str
    revision: int
    phase: Phase
    site: str
    camera: str
    rule: str
    label: str
    severity: Severity
    start_ns: int
    seen_ns: int
    peak: float
    peak_ns: int
    key_ns: int
    enter: float
    exit: float
    min_duration_s: float
    merge_gap_s: float
    onset_uncertainty_s: float
    lasted_s: float | None = None
    end_ns: int | None = None
    end_reason: EndReason | None = None
    evidence: Evidence | None = None

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.phase != "end"

    @property
    def duration_s(self) -> float:
        """From its start to its end, or to what was last seen of it."""
        if self.lasted_s is not None:
            return self.lasted_s
        return ((self.seen_ns if self.end_ns is None else self.end_ns) - self.start_ns) / 1e9

    def seen(self, seen_ns: int, *, lasted_s: float, p: float, label: str, key_ns: int) -> Event:
        """The same revision, with what was seen since: nobody has been told of it yet."""
        now = msgspec.structs.replace(self, seen_ns=seen_ns, lasted_s=lasted_s)
        if p <= self.peak:
            return now
        return msgspec.structs.replace(now, peak=p, peak_ns=seen_ns, label=label, key_ns=key_ns)

    def updated(self) -> Event:
        """The next revision of an event that goes on."""
        return msgspec.structs.replace(self, phase="update", revision=self.revision + 1)

    def ended(
        self, reason: EndReason, end_ns: int | None = None, lasted_s: float | None = None
    ) -> Event:
        """The last revision; at what was last seen of it where no end is given."""
        return msgspec.structs.replace(
            self,
            phase="end",
            revision=self.revision + 1,
            end_reason=reason,
            end_ns=self.seen_ns if end_ns is None else end_ns,
            lasted_s=self.lasted_s if lasted_s is None else lasted_s,
        )

    def kept(self, evidence: Evidence) -> Event:
        """One more revision of an event that is over, with what was kept of it."""
        return msgspec.structs.replace(self, revision=self.revision + 1, evidence=evidence)


def new_event(
    rule: RuleConfig,
    *,
    site: str,
    camera: str,
    label: str,
    start_ns: int,
    seen_ns: int,
    lasted_s: float | None = None,
    peak: float,
    peak_ns: int,
    key_ns: int,
    onset_uncertainty_s: float,
) -> Event:
    """The first revision."""
    return Event(
        event_id=uuid.uuid4().hex,
        revision=0,
        phase="start",
        site=site,
        camera=camera,
        rule=rule.name,
        label=label,
        severity=rule.severity,
        start_ns=start_ns,
        seen_ns=seen_ns,
        lasted_s=lasted_s,
        peak=peak,
        peak_ns=peak_ns,
        key_ns=key_ns,
        enter=rule.enter,
        exit=rule.exit,
        min_duration_s=rule.min_duration_s,
        merge_gap_s=rule.merge_gap_s,
        onset_uncertainty_s=onset_uncertainty_s,
    )
