"""Alarms, their rate and the threshold against them, by hand."""

import numpy as np
import pytest

from training.evaluation.false_alarms import (
    IdleVideo,
    abstention_threshold,
    alarm_rate,
    duration_s,
    least_samples,
)

CLASSES = ("run", "wave", "walk", "idle")


def _video(*samples: tuple[str, float]) -> IdleVideo:
    """A video whose top-1 is given at each sample; idle and walk are allowed there."""
    fused = np.zeros((len(samples), 4), np.float32)
    for row, (label, probability) in zip(fused, samples, strict=True):
        row[:] = (1 - probability) / 3
        row[CLASSES.index(label)] = probability
    return IdleVideo.judge(fused, window=1, allowed=(2, 3))


VIDEO = _video(
    ("idle", 0.9), ("run", 0.6), ("run", 0.8), ("wave", 0.7), ("walk", 0.9),
    ("wave", 0.9), ("idle", 0.5), ("wave", 0.5), ("wave", 0.5),
)  # fmt: skip


def test_an_alarm_is_a_stretch_of_anything_that_is_not_allowed() -> None:
    assert VIDEO.alarms(0.0, 1) == [slice(1, 4), slice(5, 6), slice(7, 9)]
    assert VIDEO.alarms(0.0, 2) == [slice(1, 4), slice(7, 9)]
    assert VIDEO.alarms(0.7, 1) == [slice(2, 4), slice(5, 6)]
    assert VIDEO.alarms(0.7, 3) == []


def test_windows_that_are_not_full_raise_no_alarm() -> None:
    fused = np.tile(np.array([0.7, 0.1, 0.1, 0.1], np.float32), (5, 1))
    video = IdleVideo.judge(fused, window=4, allowed=(3,))
    assert video.alarms(0.0, 1) == [slice(0, 2)]
    assert duration_s([video], 0.5) == 1.0
    assert len(IdleVideo.judge(fused, window=6, allowed=(3,)).best) == 0


@pytest.mark.parametrize(("duration_s", "expected"), [(0.5, 13), (0.4, 10), (0.04, 1), (0.001, 1)])
def test_a_duration_in_samples(duration_s: float, expected: int) -> None:
    assert least_samples(duration_s, 1 / 25) == expected


def test_the_rate_is_by_the_hour_and_by_what_was_seen() -> None:
    # Twice 9 samples of 2 s: 36 s.
    rate = alarm_rate([VIDEO, VIDEO], CLASSES, 0.0, min_duration_s=4.0, sample_s=2.0)
    assert rate.alarms == 4
    assert rate.per_hour == pytest.approx(4 * 3600 / 36)
    assert rate.labels == {"run": 2, "wave": 2}  # two of the first stretch's three are `run`
    none = alarm_rate([VIDEO], CLASSES, 0.95, min_duration_s=2.0, sample_s=2.0)
    assert (none.alarms, none.per_hour, none.labels) == (0, 0.0, {})


def test_the_threshold_is_the_smallest_that_leaves_few_enough() -> None:
    def threshold(alarms: float, samples: int) -> float | None:
        return abstention_threshold(
            [VIDEO], per_hour=alarms * 3600 / 18, min_duration_s=2.0 * samples, sample_s=2.0
        )

    assert threshold(0, samples=1) == pytest.approx(0.901)  # above the lone `wave` at 0.9
    assert threshold(1, samples=1) == pytest.approx(0.801)  # above `run` at 0.8
    assert threshold(0, samples=2) == pytest.approx(0.701)  # 0.8 and 0.7 are no longer together
    assert threshold(9, samples=1) == 0.0


def test_a_threshold_that_cuts_an_alarm_in_two_is_not_enough() -> None:
    video = _video(("run", 0.9), ("run", 0.3), ("run", 0.9))
    found = abstention_threshold([video], per_hour=1200.0, min_duration_s=1.0, sample_s=1.0)
    # One alarm in 3 s is allowed. Below 0.3 there is one, above it two: only above 0.9 is it sure.
    assert found == pytest.approx(0.901)


def test_certain_mistakes_have_no_threshold() -> None:
    video = _video(("run", 1.0), ("idle", 0.5))
    found = abstention_threshold([video], per_hour=0.0, min_duration_s=1.0, sample_s=1.0)
    assert found is None
