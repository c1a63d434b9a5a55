"""How good the taught heads are on clips that they haven't seen, and how sure they should be.

Shapes: n windows, C classes, m clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from engine.arrays import F32
from engine.calibration import fuse
from engine.manifest import Calibration, Fusion
from training.evaluation.calibration import fit_temperature
from training.evaluation.metrics import (
    Labels,
    accuracy,
    calibration_error,
    class_accuracy,
    confused_most,
    confusion,
)
from training.evaluation.results import Mistake

_MISTAKES = 5


@dataclass(frozen=True)
class Scores:
    """Both streams' scores [n, C] of the windows of some clips; `clips` [n] says whose they are."""

    rgb: F32
    flow: F32
    clips: Labels

    def of(self, chosen: NDArray[np.bool_]) -> Scores:
        """Those of the clips [m] that are chosen."""
        inside = chosen[self.clips]
        return Scores(self.rgb[inside], self.flow[inside], self.clips[inside])


def joined(parts: Sequence[Scores]) -> Scores:
    return Scores(
        np.concatenate([part.rgb for part in parts]),
        np.concatenate([part.flow for part in parts]),
        np.concatenate([part.clips for part in parts]),
    )


def fit_calibration(scores: Scores, labels: Labels, fusion: Fusion) -> Calibration:
    """Temperatures of either stream, then of the two together. labels [m]: of the clips.

    fusion: the old bundle's, so that kept classes are still told apart in its way.

    The target is not quite certain: of m clips of one class Laplace's rule expects m + 1 in
    m + C to be right (as in Platt, 1999). Without it a handful of clips that all came out right
    would make the bundle sure of everything.
    """
    classes = scores.rgb.shape[1]
    count = len(np.unique(scores.clips))
    targets = np.full((len(scores.clips), classes), 1 / (count + classes))
    targets[np.arange(len(targets)), labels[scores.clips]] = (count + 1) / (count + classes)
    wanted = torch.from_numpy(targets)

    def fit(probabilities: F32) -> float:
        return fit_temperature(torch.from_numpy(probabilities), wanted)

    plain = fuse(scores.rgb, scores.flow, Calibration())
    streams = Calibration(rgb=fit(plain.rgb), flow=fit(plain.flow), fusion=fusion)
    fused = fuse(scores.rgb, scores.flow, streams).fused
    return msgspec.structs.replace(streams, fused=fit(fused))


@dataclass(frozen=True)
class Predictions:
    """Probabilities [n, C] of windows, fused and of either stream; `clips` [n] as in `Scores`."""

    fused: F32
    rgb: F32
    flow: F32
    clips: Labels

    def of_clips(self) -> tuple[Predictions, Labels]:
        """The mean over each clip's windows, and the numbers of those clips."""
        numbers, place = np.unique(self.clips, return_inverse=True)
        windows = np.bincount(place)[:, None]

        def mean(probabilities: F32) -> F32:
            sums = np.zeros((len(numbers), probabilities.shape[1]))
            np.add.at(sums, place, probabilities)
            return (sums / windows).astype(np.float32)

        return Predictions(mean(self.fused), mean(self.rgb), mean(self.flow), numbers), numbers


def predict(scores: Scores, calibration: Calibration) -> Predictions:
    found = fuse(scores.rgb, scores.flow, calibration)
    return Predictions(found.fused, found.rgb, found.flow, scores.clips)


def predict_left_out(scores: Scores, labels: Labels, folds: Labels, fusion: Fusion) -> Predictions:
    """The prediction of each fold's clips, calibrated on the clips of the other folds.

    scores: of each clip by heads that saw no clip of its fold. folds [m].
    """
    parts = []
    for number in np.unique(folds[scores.clips]):
        inside = folds == number
        calibration = fit_calibration(scores.of(~inside), labels, fusion)
        parts.append(predict(scores.of(inside), calibration))
    return Predictions(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("fused", "rgb", "flow", "clips")
        )
    )


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured on clips that were left out. All shares are 0..1.

    clips, sources: how many. accuracy: of clips, by stream (a clip's probabilities are the mean
        of its windows'). standard_error: of the fused accuracy, by sources. window_accuracy: of
        single windows, fused: what a stream says at one moment.
    classes: the accuracy of each class. mistakes: the most frequent first.
    calibration_error: expected, of windows; calibration_error_before: with all temperatures 1.
    """

    clips: int
    sources: int
    accuracy: dict[str, float]
    standard_error: float
    window_accuracy: float
    classes: dict[str, float | None]
    mistakes: tuple[Mistake, ...]
    calibration_error: float
    calibration_error_before: float


def measured(
    predictions: Predictions,
    scores: Scores,
    labels: Labels,
    groups: Sequence[str],
    classes: tuple[str, ...],
    fusion: Fusion,
) -> Measured:
    """labels [m] and groups [m]: of all clips, those without a prediction too."""
    clips, numbers = predictions.of_clips()
    truth = labels[numbers]
    sources = [groups[number] for number in numbers]
    table = confusion(clips.fused, truth)
    uncalibrated = fuse(scores.rgb, scores.flow, Calibration(fusion=fusion)).fused
    return Measured(
        clips=len(numbers),
        sources=len(set(sources)),
        accuracy={
            "rgb+flow": accuracy(clips.fused, truth),
            "rgb": accuracy(clips.rgb, truth),
            "flow": accuracy(clips.flow, truth),
        },
        standard_error=standard_error(clips.fused.argmax(1) == truth, sources),
        window_accuracy=accuracy(predictions.fused, labels[predictions.clips]),
        classes=dict(zip(classes, class_accuracy(table), strict=True)),
        mistakes=tuple(
            Mistake(classes[true], classes[predicted], count)
            for true, predicted, count in confused_most(table, _MISTAKES)
        ),
        calibration_error=calibration_error(predictions.fused, labels[predictions.clips]),
        calibration_error_before=calibration_error(uncalibrated, labels[scores.clips]),
    )


def standard_error(right: NDArray[np.bool_], groups: Sequence[str]) -> float:
    """Of the share that is right, where clips of one group (source) are not independent.

    The sandwich estimate for a mean with clusters: sqrt(G / (G - 1) · sum over the G groups of
    (sum over its clips of (right - mean))²) / m. With one clip a group it is the common one.
    """
    residuals = right - right.mean()
    sums: dict[str, float] = {}
    for group, residual in zip(groups, residuals.tolist(), strict=True):
        sums[group] = sums.get(group, 0.0) + residual
    count = len(sums)
    if count < 2:
        return float("nan")
    total = sum(value**2 for value in sums.values())
    return float(np.sqrt(count / (count - 1) * total) / len(right))


def abstention_threshold(
    predictions: Predictions, labels: Labels, idle: int, *, alarms: float = 0.05
) -> float:
    """The lowest fused probability to answer at, so that at most this part of the windows of
    `idle` clips is answered with an action; 0 where no threshold is needed for that."""
    of_idle = predictions.fused[labels[predictions.clips] == idle]  # [windows, C]
    sure = np.where(of_idle.argmax(1) == idle, 0.0, of_idle.max(1))
    allowed = int(alarms * len(sure))
    worst = np.sort(sure)[::-1][allowed : allowed + 1]  # the first that must not be answered
    if not len(worst) or worst[0] == 0:
        return 0.0
    return float(min(1.0, np.nextafter(np.float32(worst[0]), np.float32(2))))
