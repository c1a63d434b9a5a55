"""What really happens in a video, and how well events agree with it."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from stream.errors import ConfigError
from stream.events.rule import unknown
from stream.plural import counted

_Tick = Annotated[int, msgspec.Meta(ge=0)]


class _Interval(msgspec.Struct, frozen=True):
    label: str
    start_tick: _Tick
    end_tick: _Tick


class _Truth(msgspec.Struct, frozen=True):
    """As `gesta scene --stream` writes it: tick n is frame n, at `fps` frames a second."""

    fps: Annotated[float, msgspec.Meta(gt=0)]
    intervals: tuple[_Interval, ...]


@dataclass(frozen=True, slots=True)
class Action:
    """`label` is performed from start_s to end_s of the video."""

    label: str
    start_s: float
    end_s: float


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How a rule's events agree with the actions that it is about.

    true_events: those that an action belongs to, each to another; so many actions were found.
    median_delay_s: from an action's beginning to that of its event; None where there is none.
    """

    rule: str
    events: int
    true_events: int
    actions: int
    median_delay_s: float | None

    @property
    def precision(self) -> float | None:
        """The part of the events that are true."""
        return self.true_events / self.events if self.events else None

    @property
    def recall(self) -> float | None:
        """The part of the actions that were found."""
        return self.true_events / self.actions if self.actions else None

    def __str__(self) -> str:
        delay = self.median_delay_s
        when = "" if delay is None else f"; they begin {delay:.2f} s after the action (median)"
        return (
            f"{self.rule}: {self.true_events} of {counted(self.events, 'event')} true"
            f"{_percent(self.precision)}, {self.true_events} of "
            f"{counted(self.actions, 'action')} found{_percent(self.recall)}{when}"
        )


def read_truth(path: Path, classes: Collection[str]) -> list[Action]:
    """The actions of a video, from the JSON beside it.

    Raises:
        ConfigError: it can't be read, is no such file, names a label that is none of `classes`, or
            an action that is over before it begins.
    """
    try:
        truth = msgspec.json.decode(path.read_bytes(), type=_Truth)
    except OSError as error:
        raise ConfigError(
            f"the truth {path} can't be read ({error.strerror}); check --truth"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} doesn't say what is true of a video ({error}); `gesta scene --stream` shows "
            "how it is written"
        ) from error
    for index, each in enumerate(truth.intervals):
        if each.label not in classes:
            what = unknown("class of the bundle", each.label, classes)
            raise ConfigError(f"{path}: intervals[{index}].label: {what}")
        if each.end_tick <= each.start_tick:
            raise ConfigError(
                f"{path}: intervals[{index}].end_tick: must be above start_tick, "
                f"{each.start_tick}, not {each.end_tick}"
            )
    return [
        Action(each.label, each.start_tick / truth.fps, each.end_tick / truth.fps)
        for each in truth.intervals
    ]


def agree(
    rule: str,
    labels: Sequence[str],
    events: Sequence[tuple[float, float]],
    truth: Sequence[Action],
    *,
    window_s: float,
) -> Agreement:
    """Gives each action of one of `labels` the first event, (start, end), that overlaps it and
    belongs to none before.

    window_s: how long after an action's end the window still shows it.
    """
    left = sorted(events)
    actions = [action for action in truth if action.label in labels]
    delays_s = []
    for action in sorted(actions, key=lambda each: each.start_s):
        for event in left:
            start_s, end_s = event
            if start_s <= action.end_s + window_s and end_s >= action.start_s:
                left.remove(event)
                delays_s.append(start_s - action.start_s)
                break
    return Agreement(
        rule=rule,
        events=len(events),
        true_events=len(delays_s),
        actions=len(actions),
        median_delay_s=statistics.median(delays_s) if delays_s else None,
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f" ({share:.0%})"
