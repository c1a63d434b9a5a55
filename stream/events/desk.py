"""All rules on all cameras: predictions come in, changes of events go out, each stored first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from stream.errors import StoreError
from stream.events.event import EndReason, Event
from stream.events.evidence import Evidence
from stream.events.rule import RuleConfig
from stream.events.store import EventStore
from stream.events.stream_clock import StreamClock
from stream.events.track import Observation, Track
from stream.messaging.messages import Prediction, Status, time_ns
from stream.plural import counted

AWAITED_AT_MOST = 1000  # ended events whose evidence may still come
RETRY_EVERY_NS = 5_000_000_000  # of what could not be stored
UNSTORED_AT_MOST = 10_000  # changes; older ones are then lost
TIDY_EVERY_NS = 3_600_000_000_000

_GONE = ("stalled", "offline", "ended")  # states in which a camera shows nothing

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Change:
    """A revision of an event.

    sequence: its number in the store; None where it isn't stored.
    wants_evidence: whether its rule has evidence kept.
    """

    event: Event
    sequence: int | None = None
    wants_evidence: bool = False


class EventDesk:
    """Follows every rule on every camera. For one thread.

    Args:
        rules: whose labels the bundle knows.
        classes: the bundle's, in the order of the probabilities.
        window_s: how much time a prediction sees.
        store: where each change is written before it is given out; None for a dry run.
        stored: called whenever something was written.
        present: told of each camera that came or went.
        keep_s: ended events that began longer ago are forgotten; 0 keeps them all.
        observed: told of each observation by the rule's name, for a picture of them.
    """

    def __init__(
        self,
        rules: Sequence[RuleConfig],
        *,
        classes: Sequence[str],
        window_s: float,
        store: EventStore | None = None,
        stored: Callable[[], None] = lambda: None,
        present: Callable[[str, bool], None] = lambda camera, here: None,  # noqa: ARG005
        keep_s: float = 0.0,
        observed: Callable[[str, Observation], None] = lambda rule, seen: None,  # noqa: ARG005
    ) -> None:
        self._classes = classes
        self._window_s = window_s
        self._store = store
        self._told_of_stored = stored
        self._told_of_cameras = present
        self._keep_s = keep_s
        self._observed = observed
        self._tracks: dict[str, list[Track]] = {}  # by camera
        self._clocks: dict[str, StreamClock] = {}
        self._awaited: dict[str, Event] = {}  # ended, and evidence of it may come
        self._unstored: list[Event] = []  # told, but still to be written
        self._tidy_ns = self._retry_ns = 0
        self._take(rules)

    @property
    def is_stored(self) -> bool:
        """Whether changes are written before they are given out."""
        return self._store is not None

    def keep_in(self, store: EventStore) -> list[Change]:
        """From now on changes are written there first; it is closed with this desk."""
        self._store = store
        return self.begin()

    def revise(self, rules: Sequence[RuleConfig]) -> list[Change]:
        """Goes on with other rules. What began by one that is gone, altered or switched off is
        over; one that stays as it is notices nothing.
        """
        tracks = [track for tracks in self._tracks.values() for track in tracks]
        ended = [
            each
            for track in tracks
            if track.rule not in rules or not track.rule.enabled
            for each in _only(track.lose("disabled"))
        ]
        changes = self._stored(ended)
        self._take(rules)
        self._tracks = {
            camera: [
                next((track for track in old if track.rule == rule), None)
                or Track(rule, site=old[0].site, camera=camera)
                for rule in rules
                if rule.holds_for(camera)
            ]
            for camera, old in self._tracks.items()
            if old  # else they are made with the next prediction
        }
        return changes

    @property
    def open_events(self) -> tuple[Event, ...]:
        """Those that go on."""
        tracks = [track for tracks in self._tracks.values() for track in tracks]
        return tuple(track.event for track in tracks if track.event is not None)

    @property
    def unstored(self) -> int:
        """Changes that wait until the store can be written again."""
        return len(self._unstored)

    def begin(self) -> list[Change]:
        """Ends what a daemon that was killed has left open in the store."""
        if self._store is None:
            return []
        ended = [event.ended("crash") for event in self._store.open_events()]
        if ended:
            _log.warning(
                "a daemon that was killed left %s open: ended", counted(len(ended), "event")
            )
        return self._stored(ended)

    def recognised(self, prediction: Prediction) -> list[Change]:
        """Takes a prediction; returns what it changed. One on less than a whole window says
        nothing, but that a camera's stream began anew ends what was going on there.
        """
        camera, epoch = prediction.camera, prediction.stream_epoch
        assert camera is not None
        assert epoch is not None
        clock = self._clocks.setdefault(camera, StreamClock())
        capture_ns = time_ns(prediction.time.capture_end)
        changed = self._lose(camera, "stream_lost") if clock.begins_anew(epoch) else []
        at_s = clock.advance(epoch, prediction.time.position_s, capture_ns)
        if prediction.window.fill < 1:
            return self._stored(changed)
        for track in self._of(camera, prediction.site):
            rule = track.rule
            # Where frames were shed nothing begins, but what goes on must be able to end.
            if not (prediction.window.complete or track.event):
                continue
            if rule.schedule is not None and not rule.schedule.holds_at(capture_ns):
                changed += _only(track.lose("disabled"))
                continue
            columns = self._columns[rule.name]
            best = max(columns, key=prediction.probabilities.__getitem__)
            unsure = prediction.abstain and not rule.when_unsure
            seen = Observation(
                at_s=at_s,
                capture_ns=capture_ns,
                p=0.0 if unsure else min(1.0, sum(prediction.probabilities[i] for i in columns)),
                label=rule.labels[columns.index(best)],
                key_ns=capture_ns - self._before_end_ns(prediction),
                onset_uncertainty_s=self._window_s + prediction.time.uncertainty_ms / 1e3,
            )
            self._observed(rule.name, seen)
            changed += _only(track.observe(seen))
        return self._stored(changed)

    def told(self, status: Status) -> list[Change]:
        """Takes a camera's state: one that shows nothing ends its events."""
        if status.camera is None:
            return []
        self._told_of_cameras(status.camera, status.state == "live")
        if status.state not in _GONE:
            return []
        return self._stored(self._lose(status.camera, "stream_lost"))

    def attach(self, event_id: str, evidence: Evidence) -> list[Change]:
        """Takes what was kept of an event that has ended."""
        event = self._awaited.pop(event_id, None)
        return [] if event is None else self._stored([event.kept(evidence)])

    def stop(self) -> list[Change]:
        """Ends every event, since nobody watches any more."""
        changed = [each for camera in self._tracks for each in self._lose(camera, "shutdown")]
        return self._stored(changed)

    def tidy(self, now_ns: int) -> None:
        """Now and then: writes what could not be written before, where that is possible by now, and
        forgets what is too old.

        now_ns: UTC.
        """
        if self._unstored and now_ns >= self._retry_ns:
            self._retry_ns = now_ns + RETRY_EVERY_NS
            self._stored([])
        if self._store is not None and self._keep_s and now_ns >= self._tidy_ns:
            self._tidy_ns = now_ns + TIDY_EVERY_NS
            try:
                self._store.forget(now_ns - int(self._keep_s * 1e9))
            except StoreError as error:
                _log.error("%s; old events stay", error)

    def changes(self, after: int, limit: int) -> list[tuple[int, Event]]:
        """What was stored after a number, at most so many; none where nothing is stored.

        Raises:
            StoreError: it can't be read.
        """
        return [] if self._store is None else self._store.changes(after, limit)

    def close(self) -> None:
        """Closes the store."""
        if self._store is not None:
            self._store.close()

    def _take(self, rules: Sequence[RuleConfig]) -> None:
        self._rules = rules
        self._columns = {
            rule.name: [self._classes.index(label) for label in rule.labels] for rule in rules
        }
        self._keeps_evidence = {rule.name for rule in rules if rule.evidence}

    def _before_end_ns(self, prediction: Prediction) -> int:
        """How long before the newest frame the one was that has most of the temporal attention."""
        weights = prediction.attention.temporal
        if not weights:
            return 0
        samples_ago = len(weights) - 1 - max(range(len(weights)), key=weights.__getitem__)
        return round(samples_ago * self._window_s / len(weights) * 1e9)

    def _of(self, camera: str, site: str) -> list[Track]:
        if camera not in self._tracks:
            self._tracks[camera] = [
                Track(rule, site=site, camera=camera)
                for rule in self._rules
                if rule.holds_for(camera)
            ]
        return self._tracks[camera]

    def _lose(self, camera: str, reason: EndReason) -> list[Event]:
        return [
            each for track in self._tracks.get(camera, ()) for each in _only(track.lose(reason))
        ]

    def _stored(self, events: list[Event]) -> list[Change]:
        """Writes events, and whatever is still to be written before them."""
        self._awaited |= {
            event.event_id: event
            for event in events
            if not event.is_open and event.evidence is None and self._wants_evidence(event)
        }
        while len(self._awaited) > AWAITED_AT_MOST:
            del self._awaited[next(iter(self._awaited))]
        waiting = self._unstored + events
        if self._store is None or not waiting:
            return [self._change(event) for event in events]
        try:
            sequences = self._store.write(waiting)
        except StoreError as error:
            if not self._unstored:  # once, and not for each change of a full disk's week
                _log.error("%s; events go on unstored until then", error)
            self._unstored = waiting[-UNSTORED_AT_MOST:]
            return [self._change(event) for event in events]
        if self._unstored:
            _log.warning("events are stored again, those of the meantime too")
        skipped, self._unstored = len(self._unstored), []
        self._told_of_stored()
        return [
            self._change(event, sequence)
            for event, sequence in zip(events, sequences[skipped:], strict=True)
        ]

    def _change(self, event: Event, sequence: int | None = None) -> Change:
        return Change(event, sequence, self._wants_evidence(event))

    def _wants_evidence(self, event: Event) -> bool:
        return event.rule in self._keeps_evidence


def _only(event: Event | None) -> Iterable[Event]:
    return () if event is None else (event,)
