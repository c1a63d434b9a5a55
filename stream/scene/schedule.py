"""The schedule: an endless seeded sequence of shots, each with its labelled intervals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stream.scene.actions import ACTIONS_OF_THE_BODY
from stream.scene.actions_with_a_ball import ACTIONS_WITH_A_BALL
from stream.scene.actions_with_tools import ACTIONS_WITH_TOOLS
from stream.scene.motion import Action, Style

IDLE = "idle"
ACTION_TABLE = {
    action.label: action
    for action in (*ACTIONS_OF_THE_BODY, *ACTIONS_WITH_A_BALL, *ACTIONS_WITH_TOOLS)
}
ACTIONS = tuple(sorted(ACTION_TABLE))

_EMPTY_STAGE = 0.06  # share of shots in which nobody is there
_MOST_ACTIONS_IN_A_SHOT = 3
_PAUSE_S = (1.3, 2.8)  # before and after each action
_REST_S = (4.0, 20.0)  # where no action is asked for at all


@dataclass(frozen=True)
class Interval:
    """The truth: `label` from start_tick up to, not including, end_tick."""

    label: str
    start_tick: int
    end_tick: int


def intervals_until(intervals: Iterable[Interval], tick: int) -> list[Interval]:
    """Those of contiguous `intervals` that begin before `tick`, the last one cut there."""
    found: list[Interval] = []
    for interval in intervals:
        if interval.start_tick >= tick:
            break
        found.append(Interval(interval.label, interval.start_tick, min(tick, interval.end_tick)))
    return found


@dataclass(frozen=True)
class Beat:
    """An interval and how it is performed. `seated`: the state of the actor at its end."""

    interval: Interval
    cycles: float
    style: Style
    seated: bool


@dataclass(frozen=True)
class Shot:
    """One camera set-up and what happens in it; the beats are contiguous and begin with idle."""

    beats: tuple[Beat, ...]
    view: str
    empty: bool
    fixture: str | None
    seated_at_start: bool
    reach: float
    detail: bool
    long_hair: bool

    @property
    def end_tick(self) -> int:
        return self.beats[-1].interval.end_tick


def shots(rng: np.random.Generator, fps: float, labels: Sequence[str]) -> Iterator[Shot]:
    """Shots without end that perform `labels` in a shuffled order, each equally often.

    Without labels somebody rests in front of the camera, in most shots.
    """
    deck: list[str] = []
    tick = 0
    while True:
        cards: list[Action] = []
        empty = rng.random() < _EMPTY_STAGE
        if labels and not empty:
            cards, deck = _deal(rng, deck, labels)
        pause_s = _PAUSE_S if labels else _REST_S
        shot = _shot(rng, cards, tick, fps, empty=empty, pause_s=pause_s)
        tick = shot.end_tick
        yield shot


def _deal(
    rng: np.random.Generator, deck: list[str], labels: Sequence[str]
) -> tuple[list[Action], list[str]]:
    """Take the next action, and some later ones that can share its shot."""
    if len(deck) < len(labels):
        deck = deck + [labels[i] for i in rng.permutation(len(labels))]
    cards, rest = [ACTION_TABLE[deck[0]]], deck[1:]
    wanted = int(rng.integers(1, _MOST_ACTIONS_IN_A_SHOT + 1))
    for label in list(rest):
        action = ACTION_TABLE[label]
        if len(cards) < wanted and _fits(cards, action):
            cards.append(action)
            rest.remove(label)
    return cards, rest


def _fits(cards: list[Action], action: Action) -> bool:
    """Whether `action` can follow in the same shot."""
    fixtures = {card.fixture for card in cards}
    if any(card.travel != (0.0, 0.0) for card in (*cards, action)) and (
        fixtures | {action.fixture} != {None}
    ):
        return False
    if action.fixture is not None and action.fixture not in fixtures:
        return False
    if cards[-1].label == "sit":
        return action.label == "stand"
    if action.label == "stand" or action.label in {card.label for card in cards}:
        return False
    return bool(_shared_views([*cards, action]))


def _shared_views(cards: Sequence[Action]) -> list[str]:
    return [view for view in cards[0].views if all(view in card.views for card in cards)]


def _shot(
    rng: np.random.Generator,
    cards: list[Action],
    tick: int,
    fps: float,
    *,
    empty: bool,
    pause_s: tuple[float, float],
) -> Shot:
    views = _shared_views(cards) if cards else ["front"]
    seated = seated_at_start = bool(cards) and cards[0].label == "stand"
    beats: list[Beat] = []

    def add(label: str, seconds: float, cycles: float, style: Style) -> None:
        start = beats[-1].interval.end_tick if beats else tick
        interval = Interval(label, start, start + max(1, round(seconds * fps)))
        beats.append(Beat(interval, cycles, style, seated))

    def pause() -> None:
        style = Style(1.0, float(rng.random()))
        add(IDLE, float(rng.uniform(*pause_s)), 0.0, style)

    pause()
    for card in cards:
        style = Style(float(rng.uniform(0.85, 1.2)), float(rng.random()))
        seconds, period = float(rng.uniform(*card.duration_s)), float(rng.uniform(*card.period_s))
        cycles = 1 if card.once else max(1, round(seconds / period))
        if not card.once:
            seconds = cycles * period
        seated = card.label == "sit"
        add(card.label, seconds, cycles, style)
        pause()
    return Shot(
        beats=tuple(beats),
        view=views[rng.integers(len(views))],
        empty=empty,
        fixture=next((card.fixture for card in cards if card.fixture), None),
        seated_at_start=seated_at_start,
        reach=max((card.reach for card in cards), default=1.02),
        detail=any(card.detail for card in cards),
        long_hair=any(card.long_hair for card in cards),
    )
