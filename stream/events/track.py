"""One rule on one camera: a row of probabilities becomes an event's start, updates and end.

below enter ──► at or above it for min_duration_s ──► open ──► below exit for merge_gap_s ──► over
     ▲                                                                                         │
     └────────────────────────────────── after cooldown_s ◄────────────────────────────────────┘
"""

from __future__ import annotations

from dataclasses import dataclass

from stream.events.event import EndReason, Event, new_event
from stream.events.rule import RuleConfig

UPDATE_EVERY_S = 5.0  # while an event goes on; a crash then leaves its end open by no more
PEAK_RISE = 0.1  # a peak that is so much higher than the one last told is told at once

_ROUNDING_S = 1e-6  # grid times are sums of floats


@dataclass(frozen=True, slots=True)
class Observation:
    """What a whole window says of a rule's labels.

    at_s: on the stream's own clock, which never goes back. capture_ns: UTC, its newest frame.
    p: of the labels together. label: the likeliest. key_ns: the frame of it that the model looked
        at most. onset_uncertainty_s: how much earlier than
        `capture_ns` what is seen may have begun.
    """

    at_s: float
    capture_ns: int
    p: float
    label: str
    key_ns: int
    onset_uncertainty_s: float


class Track:
    """Keeps the event that is going on, and what may become one."""

    def __init__(self, rule: RuleConfig, *, site: str, camera: str) -> None:
        self.rule = rule
        self.event: Event | None = None
        self.site = site
        self._camera = camera
        self._run: list[Observation] = []  # unbroken at or above enter: the first, and the highest
        self._began_s = 0.0  # of the event that is going on
        self._above: Observation | None = None  # the last at or above exit
        self._over_s = float("-inf")  # when the last event ended
        self._told_s = 0.0
        self._told_peak = 0.0

    def observe(self, seen: Observation) -> Event | None:
        """Takes the next observation; returns the event where it changed."""
        if self.event is None:
            return self._wait(seen)
        return self._follow(self.event, seen)

    def lose(self, reason: EndReason) -> Event | None:
        """Nothing more can be seen: ends the event that is going on, where there is one."""
        self._run = []
        if self.event is None:
            return None
        ended = self.event.ended(reason)
        self._close(self._above)
        return ended

    def _wait(self, seen: Observation) -> Event | None:
        cooling = seen.at_s - self._over_s < self.rule.cooldown_s - _ROUNDING_S
        if seen.p < self.rule.enter or cooling:
            self._run = []
            return None
        first, highest = self._run or (seen, seen)
        if seen.p > highest.p:
            highest = seen
        self._run = [first, highest]
        if seen.at_s - first.at_s < self.rule.min_duration_s - _ROUNDING_S:
            return None
        self._run = []
        self._began_s = first.at_s
        self._above, self._told_s, self._told_peak = seen, seen.at_s, highest.p
        self.event = new_event(
            self.rule,
            site=self.site,
            camera=self._camera,
            label=highest.label,
            start_ns=first.capture_ns,
            seen_ns=seen.capture_ns,
            lasted_s=seen.at_s - first.at_s,
            peak=highest.p,
            peak_ns=highest.capture_ns,
            key_ns=highest.key_ns,
            onset_uncertainty_s=first.onset_uncertainty_s,
        )
        return self.event

    def _follow(self, event: Event, seen: Observation) -> Event | None:
        assert self._above is not None
        if seen.p >= self.rule.exit:
            self._above = seen
        elif seen.at_s - self._above.at_s > self.rule.merge_gap_s + _ROUNDING_S:
            last = self._above
            ended = event.ended("below_exit", last.capture_ns, last.at_s - self._began_s)
            self._close(last)
            return ended
        self.event = event.seen(
            seen.capture_ns,
            lasted_s=seen.at_s - self._began_s,
            p=seen.p,
            label=seen.label,
            key_ns=seen.key_ns,
        )
        due = seen.at_s - self._told_s >= UPDATE_EVERY_S - _ROUNDING_S
        if not due and self.event.peak < self._told_peak + PEAK_RISE:
            return None
        self.event = self.event.updated()
        self._told_s, self._told_peak = seen.at_s, self.event.peak
        return self.event

    def _close(self, last: Observation | None) -> None:
        assert last is not None
        self.event, self._above, self._over_s = None, None, last.at_s
