"""Whether events live as they should: each begins once, goes on step by step, and ends."""

from __future__ import annotations

from collections.abc import Iterator

from stream.messaging.messages import EventChange

ENDED_REMEMBERED = 10_000
KEPT_FOR_LIFE = ("camera", "rule", "severity", "start", "thresholds")


class EventLives:
    """Takes the changes of all events in the order in which they came."""

    def __init__(self) -> None:
        self._last: dict[str, EventChange] = {}  # by the event's id
        self._ended: dict[str, None] = {}
        self._sequence: dict[tuple[str, str], int] = {}  # of the store, by site and node

    def judge(self, event: EventChange, *, from_the_start: bool) -> Iterator[str]:
        """What is wrong with a change.

        from_the_start: everything that its topic was told in this daemon process was heard.
        """
        before = self._last.get(event.event_id)
        if event.replay and before is not None and event.revision <= before.revision:
            return
        self._last[event.event_id] = event
        yield from _by_itself(event)
        if not event.replay:
            yield from self._numbered(event)
        if before is not None:
            yield from _after(before, event)
        elif from_the_start and not event.replay and event.revision > 0:
            yield from _orphan(event)
        if event.phase == "end":
            self._ended[event.event_id] = None
            if len(self._ended) > ENDED_REMEMBERED:
                oldest = next(iter(self._ended))
                del self._ended[oldest], self._last[oldest]

    def _numbered(self, event: EventChange) -> Iterator[str]:
        if event.sequence is None:
            return
        store = (event.site, event.node)
        last = self._sequence.get(store, 0)
        if event.sequence <= last:
            yield f"its sequence {event.sequence} comes after {last}"
        self._sequence[store] = event.sequence


def _orphan(event: EventChange) -> Iterator[str]:
    # What a daemon that was killed has left open is ended by the next one.
    if event.end_reason != "crash":
        yield f"it is revision {event.revision} of an event that never started"


def _by_itself(event: EventChange) -> Iterator[str]:
    is_over = event.phase == "end"
    if (event.end is not None, event.end_reason is not None) != (is_over, is_over):
        yield f"it is in phase {event.phase}, with end {event.end}, end_reason {event.end_reason}"
    if event.end is not None and event.end < event.start:
        yield "it ends before it starts"
    if (event.phase == "start") != (event.revision == 0):
        yield f"it is revision {event.revision} in phase {event.phase}"
    if event.evidence is not None and not is_over:
        yield f"it has evidence in phase {event.phase}"


def _after(before: EventChange, event: EventChange) -> Iterator[str]:
    if event.revision != before.revision + 1:
        yield f"revision {event.revision} comes after {before.revision}"
    if before.phase == "end" and (event.phase != "end" or event.evidence is None):
        yield f"it was over, and is told again in phase {event.phase} without evidence"
    for field in KEPT_FOR_LIFE:
        was, now = getattr(before, field), getattr(event, field)
        if was != now:
            yield f"its {field} was {was}, and is {now} now"
    if event.peak.p < before.peak.p:
        yield f"its peak falls from {before.peak.p:g} to {event.peak.p:g}"
