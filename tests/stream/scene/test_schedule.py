"""The schedule is the truth: contiguous, complete, and long enough to be recognised."""

from collections import Counter
from itertools import islice, pairwise

import numpy as np
import pytest

from stream.scene import ACTIONS, IDLE, Scene
from stream.scene.schedule import shots

JHMDB = [
    "brush_hair", "catch", "clap", "climb_stairs", "golf", "jump", "kick_ball", "pick",
    "pour", "pullup", "push", "run", "shoot_ball", "shoot_bow", "shoot_gun", "sit", "stand",
    "swing_baseball", "throw", "walk", "wave",
]  # fmt: skip


def test_it_performs_the_classes_of_jhmdb() -> None:
    assert list(ACTIONS) == JHMDB


@pytest.mark.parametrize("seed", [0, 7, 1_000_000])
def test_intervals_are_contiguous_and_alternate_with_idle(seed: int) -> None:
    tick, before = 0, ""
    for interval in islice(Scene(seed).intervals(), 400):
        assert interval.start_tick == tick
        assert interval.end_tick > interval.start_tick
        assert interval.label in (*ACTIONS, IDLE)
        assert IDLE in (interval.label, before) or tick == 0
        tick, before = interval.end_tick, interval.label


def test_every_action_occurs_equally_often() -> None:
    labels = Counter(i.label for i in islice(Scene(3).intervals(), 2000))
    counts = [labels[action] for action in ACTIONS]
    assert min(counts) > 30
    assert max(counts) - min(counts) <= 3  # each deck holds each action once


def test_an_action_lasts_long_enough_for_a_window_at_its_middle() -> None:
    for interval in islice(Scene(5).intervals(), 1000):
        seconds = (interval.end_tick - interval.start_tick) / 25
        if interval.label != IDLE:
            assert 1.4 <= seconds <= 4.5
        else:
            assert 1.2 <= seconds <= 3.0


def test_sitting_down_is_followed_by_standing_up_or_a_cut() -> None:
    rng = np.random.default_rng(1)
    followers = Counter()
    for shot in islice(shots(rng, 25.0, ACTIONS), 600):
        labels = [b.interval.label for b in shot.beats if b.interval.label != IDLE]
        followers.update(after for first, after in pairwise(labels) if first == "sit")
        assert labels.count("stand") == 0 or labels[0] == "stand" or "sit" in labels
    assert set(followers) == {"stand"}


def test_only_the_labels_asked_for() -> None:
    intervals = islice(Scene(2, labels=("walk", "wave")).intervals(), 60)
    assert {i.label for i in intervals} == {"walk", "wave", IDLE}


def test_idle_alone_is_somebody_who_rests_in_most_shots() -> None:
    scene = Scene(2, labels=(IDLE,))
    assert {i.label for i in islice(scene.intervals(), 20)} == {IDLE}
    empty = [shot.empty for shot in islice(scene._shots(), 200)]
    assert 2 <= sum(empty) <= 30  # 6 % of the stages
    lengths = [(i.end_tick - i.start_tick) / 25 for i in islice(scene.intervals(), 200)]
    assert 3.9 <= min(lengths) < max(lengths) <= 20.1


def test_the_rate_changes_ticks_and_not_seconds() -> None:
    at_25 = list(islice(Scene(9, fps=25).intervals(), 50))
    at_50 = list(islice(Scene(9, fps=50).intervals(), 50))
    assert [i.label for i in at_25] == [i.label for i in at_50]
    assert at_50[-1].end_tick == pytest.approx(2 * at_25[-1].end_tick, abs=60)
