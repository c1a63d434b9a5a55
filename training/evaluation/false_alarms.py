"""How often a model calls something an action where nothing happens, and when it should abstain.

An alarm is a stretch of samples, each with another top-1 than the labels that are allowed, and
each with a probability at or above the threshold; shorter ones than a given duration don't count.
Which action it is may change on the way. The window must be full: a daemon starts no event before.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.arrays import F32
from training.evaluation.results import AlarmRate

HOUR_S = 3600.0
THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)  # that a report lists
_STEPS = 1000  # thresholds tried, in 0..1


@dataclass(frozen=True, eq=False)
class IdleVideo:
    """What was said at each sample of one video, from the first full window on.

    best: the top-1 class. confidence: its fused probability where that class is an alarm, else 0.
    """

    best: NDArray[np.int64]
    confidence: F32

    @classmethod
    def judge(cls, fused: F32, *, window: int, allowed: Sequence[int]) -> IdleVideo:
        """fused: [n, C] at all samples. window: N·k. allowed: the classes that are no alarm."""
        full = fused[window - 1 :]
        best = full.argmax(1)
        confidence = np.where(np.isin(best, allowed), 0, full.max(1))
        return cls(best, confidence.astype(np.float32))

    def alarms(self, threshold: float, least: int) -> list[slice]:
        """The alarms of `least` samples or more."""
        hot = (self.confidence > 0) & (self.confidence >= threshold)
        edges = np.flatnonzero(np.diff(hot, prepend=False, append=False))
        pairs = zip(edges[::2], edges[1::2], strict=True)
        return [slice(start, stop) for start, stop in pairs if stop - start >= least]


def least_samples(duration_s: float, sample_s: float) -> int:
    """How many samples last `duration_s` or more; one sample stands for the step that it ends."""
    return max(1, math.ceil(duration_s / sample_s - 1e-9))


def duration_s(videos: Sequence[IdleVideo], sample_s: float) -> float:
    """Judged footage, in seconds."""
    return sum(len(video.best) for video in videos) * sample_s


def alarm_rate(
    videos: Sequence[IdleVideo],
    classes: Sequence[str],
    threshold: float,
    *,
    min_duration_s: float,
    sample_s: float,
) -> AlarmRate:
    """The alarms of all videos, by the hour and by the class that each was mostly taken for."""
    least = least_samples(min_duration_s, sample_s)
    labels: Counter[str] = Counter()
    for video in videos:
        for alarm in video.alarms(threshold, least):
            labels[classes[int(np.bincount(video.best[alarm]).argmax())]] += 1
    return AlarmRate(
        threshold=threshold,
        alarms=labels.total(),
        per_hour=labels.total() * HOUR_S / duration_s(videos, sample_s),
        labels=dict(labels.most_common()),
    )


def abstention_threshold(
    videos: Sequence[IdleVideo], *, per_hour: float, min_duration_s: float, sample_s: float
) -> float | None:
    """The smallest threshold at which, and at every higher one, at most `per_hour` alarms remain.

    "And at every higher one": a threshold may cut a long alarm in two, so that a higher one can
    give more of them. In steps of 0.001; None where even 1 leaves too many.
    """
    least = least_samples(min_duration_s, sample_s)
    most = per_hour * duration_s(videos, sample_s) / HOUR_S
    found = None
    for step in range(_STEPS, -1, -1):
        if sum(len(video.alarms(step / _STEPS, least)) for video in videos) > most:
            break
        found = step / _STEPS
    return found
