"""What rules would have made of a video: to find thresholds on yesterday's recording."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from stream.errors import ConfigError, PublishError
from stream.events.desk import EventDesk
from stream.events.event import EndReason, Event
from stream.events.picture import Lane, draw
from stream.events.rule import RuleConfig, Severity
from stream.events.track import Observation
from stream.events.truth import agree, read_truth
from stream.messaging.messages import Prediction, time_ns
from stream.plural import counted


class Rehearsed(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a rule would have made; times in seconds of the video.

    end_reason: `shutdown` where the video ended first.
    """

    rule: str
    label: str
    severity: Severity
    start_s: float
    end_s: float
    peak: float
    peak_s: float
    end_reason: EndReason | None

    def __str__(self) -> str:
        what = f"{self.rule}: {self.label} ({self.severity})"
        ended = _ENDS.get(self.end_reason or "", "")
        times = f"{self.start_s:9.2f} s {self.end_s:9.2f} s"
        return f"{times}  {what:<36} peak {self.peak:4.0%} at {self.peak_s:.2f} s{ended}"


_ENDS = {"stream_lost": "  ended by a hole", "shutdown": "  goes on at the end"}


class Rehearsal:
    """Follows the rules over one video, whichever cameras and hours they are for.

    Raises:
        ConfigError: there is no rule.
    """

    def __init__(
        self, rules: Sequence[RuleConfig], *, classes: Sequence[str], window_s: float
    ) -> None:
        self._rules = [
            msgspec.structs.replace(rule, cameras=(), schedule=None)
            for rule in rules
            if rule.enabled
        ]
        if not self._rules:
            raise ConfigError(
                "there is no rule to try; write a [[rule]] with a name and labels into the file "
                "after --rules, enabled and for the --camera, if you name one"
            )
        self._lanes = {rule.name: Lane(rule) for rule in self._rules}
        self._position_s: dict[int, float] = {}  # by capture time
        self._desk = EventDesk(
            self._rules, classes=classes, window_s=window_s, observed=self._observed
        )

    def play(self, predictions: Iterable[tuple[float, Prediction]]) -> Iterator[Rehearsed]:
        """Events as they end. predictions: with their places in the video, in seconds."""
        for at_s, prediction in predictions:
            self._position_s[time_ns(prediction.time.capture_end)] = at_s
            yield from self._ended(change.event for change in self._desk.recognised(prediction))
        yield from self._ended(change.event for change in self._desk.stop())

    @property
    def lanes(self) -> list[Lane]:
        """What was seen, rule by rule."""
        return list(self._lanes.values())

    def _observed(self, rule: str, seen: Observation) -> None:
        self._lanes[rule].seen.append((self._position_s[seen.capture_ns], seen.p))

    def _ended(self, events: Iterable[Event]) -> Iterator[Rehearsed]:
        for event in events:
            if event.is_open or event.end_ns is None:
                continue
            start_s, end_s = self._position_s[event.start_ns], self._position_s[event.end_ns]
            self._lanes[event.rule].events.append((start_s, end_s))
            yield Rehearsed(
                rule=event.rule,
                label=event.label,
                severity=event.severity,
                start_s=start_s,
                end_s=end_s,
                peak=event.peak,
                peak_s=self._position_s[event.peak_ns],
                end_reason=event.end_reason,
            )


def rehearse(
    predictions: Iterable[tuple[float, Prediction]],
    rules: Sequence[RuleConfig],
    *,
    classes: Sequence[str],
    window_s: float,
    as_json: bool,
    picture: Path | None,
    truth: Path | None = None,
) -> None:
    """Prints each event as it ends, and draws all of them where `picture` says. Where `truth` says
    what really happens, a line a rule says how well its events agree with it.

    Raises:
        ConfigError: there is no rule, or the truth can't be read.
        PublishError: the picture can't be written.
    """
    actions = None if truth is None else read_truth(truth, classes)
    rehearsal = Rehearsal(rules, classes=classes, window_s=window_s)
    if picture is not None:
        with _writable(picture):  # said now, and not after hours of video
            picture.open("a").close()
    count = 0
    for event in rehearsal.play(predictions):
        count += 1
        line = msgspec.json.encode(event).decode() if as_json else str(event)
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    if not as_json:
        sys.stdout.write(f"{counted(count, 'event')}\n")
    if actions is not None:
        for lane in rehearsal.lanes:
            rule = lane.rule
            found = agree(rule.name, rule.labels, lane.events, actions, window_s=window_s)
            line = msgspec.json.encode(found).decode() if as_json else str(found)
            sys.stdout.write(f"{line}\n")
    if picture is not None:
        with _writable(picture):
            picture.write_text(draw(rehearsal.lanes), encoding="utf-8")


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PublishError(
            f"{path} can't be written ({error.strerror}); name another place"
        ) from error
