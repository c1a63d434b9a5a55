"""What receivers outside are told of an event: the event message without ZeroMQ's envelope."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from stream.events.event import EndReason, Event, Phase
from stream.events.evidence import Evidence
from stream.events.rule import Severity
from stream.messaging.messages import Count, Peak, Thresholds, Utc, utc


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What webhooks and MQTT are told of a change of an event: the event message's fields, without
    those that only make sense where it is a message of a topic.
    """

    v: Literal[1]
    type: Literal["event"]
    site: str
    node: str
    camera: str
    event_id: str
    phase: Phase
    revision: Count
    sequence: Count
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
    evidence: Evidence | None


def facts(event: Event) -> dict[str, Any]:
    """The fields that say what an event is."""
    return {
        "event_id": event.event_id,
        "phase": event.phase,
        "revision": event.revision,
        "rule": event.rule,
        "label": event.label,
        "severity": event.severity,
        "start": utc(event.start_ns),
        "end": None if event.end_ns is None else utc(event.end_ns),
        "duration_s": round(event.duration_s, 6),
        "onset_uncertainty_s": round(event.onset_uncertainty_s, 6),
        "peak": Peak(p=event.peak, at=utc(event.peak_ns)),
        "thresholds": Thresholds(
            enter=event.enter,
            exit=event.exit,
            min_duration_s=event.min_duration_s,
            merge_gap_s=event.merge_gap_s,
        ),
        "end_reason": event.end_reason,
        "evidence": event.evidence,
    }


def report(sequence: int, event: Event, *, node: str) -> bytes:
    """As JSON."""
    return msgspec.json.encode(
        Report(
            v=1,
            type="event",
            site=event.site,
            node=node,
            camera=event.camera,
            sequence=sequence,
            **facts(event),
        )
    )
