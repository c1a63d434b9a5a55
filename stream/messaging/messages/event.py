"""A change in the life of an event."""

from __future__ import annotations

from stream.events.event import EndReason, Phase
from stream.events.evidence import Evidence
from stream.events.rule import Severity
from stream.messaging.messages.message import Count, Message, Part, Probability, Utc


class Peak(Part, frozen=True, kw_only=True):
    """The highest probability of the rule's labels together, so far.

    p: that probability.
    at: the newest frame of its prediction.
    """

    p: Probability
    at: Utc


class Thresholds(Part, frozen=True, kw_only=True):
    """What the rule said when the event began.

    enter: the probability at which an event begins.
    exit: the probability below which it is over.
    min_duration_s: how long `enter` had to be reached without a break.
    merge_gap_s: dips below `exit` that are no longer than this are bridged.
    """

    enter: Probability
    exit: Probability
    min_duration_s: float
    merge_gap_s: float


class EventChange(Message, frozen=True, kw_only=True, tag="event"):
    """An action began, goes on, or is over.

    event_id: the same for life.
    phase: `start` once, then `update` while it goes on, then `end`; a second `end` brings evidence.
    revision: rises by one with each change of the event, from 0.
    sequence: the change's number in the event store, which rises over all events; null where it
        could not be stored.
    rule: whose event it is.
    label: the likeliest of the rule's labels at the peak.
    severity: the rule's.
    start: the newest frame of the first prediction at or above `enter`.
    end: the newest frame of the last prediction at or above `exit`, or what was last seen of it
        where it ended for another reason; null while it goes on.
    duration_s: from `start` to `end`, or to what was last seen of it.
    onset_uncertainty_s: the action itself began up to so long before `start`.
    end_reason: `below_exit`, `stream_lost`, `shutdown`, `disabled` (by the rule's schedule, or
        a new configuration), `crash` (ended by the next daemon); null while it goes on.
    evidence: what was kept of it, in a later revision of phase `end`; null until then.
    """

    event_id: str
    phase: Phase
    revision: Count
    sequence: Count | None
    rule: str
    label: str
    severity: Severity
    start: Utc
    end: Utc | None
    duration_s: float
    onset_uncertainty_s: float
    peak: Peak
    thresholds: Thresholds
    end_reason: EndReason | None
    evidence: Evidence | None = None
