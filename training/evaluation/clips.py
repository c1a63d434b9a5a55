"""How good a model's predictions of labelled clips are, for both streams and each alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from engine.arrays import F32
from training.data.frame_store import StoredClip
from training.evaluation import metrics
from training.evaluation.clip_scores import RGB, Protocol, Scores, clip_scores
from training.evaluation.metrics import Labels, Truth
from training.evaluation.probabilities import Probabilities, probabilities
from training.evaluation.results import Bin, Mistake, OfStreams, Result
from training.model.consensus import Temperatures
from training.model.sta_tsn import StaTsn
from training.progress import Progress

_MISTAKES = 12  # in a report


@dataclass(frozen=True)
class DataSet:
    """What is measured on. classes: in the model's order."""

    name: str
    split: str
    classes: tuple[str, ...]


def evaluate_clips(
    model: StaTsn,
    clips: Sequence[StoredClip],
    data_set: DataSet,
    *,
    flows: Sequence[str],
    crops: int = 1,
    far: bool = False,
    sample_every: int = 1,
    side: int,
    precision: str = "fp32",
    progress: Progress,
) -> list[Result]:
    """One result for each protocol and flow; `clip_scores` has the protocols."""
    scores = clip_scores(
        model,
        clips,
        flows=flows,
        crops=crops,
        far=far,
        sample_every=sample_every,
        side=side,
        precision=precision,
        progress=progress,
    )
    truth = truth_of(clips, data_set.classes)
    return [
        result(of_protocol, flow, truth, data_set, model.temperatures, protocol, "clips")
        for protocol, of_protocol in scores.items()
        for flow in flows
    ]


def truth_of(clips: Sequence[StoredClip], classes: Sequence[str]) -> Labels | Truth:
    """int [n]; or bool [n, C] where some clip shows several classes."""
    number = {label: index for index, label in enumerate(classes)}
    if all(len(clip.labels) == 1 for clip in clips):
        return np.array([number[clip.label] for clip in clips], np.int64)
    shown = np.zeros((len(clips), len(classes)), np.bool_)
    for row, clip in zip(shown, clips, strict=True):
        row[[number[label] for label in clip.labels]] = True
    return shown


def result(
    scores: Scores,
    flow: str,
    truth: Labels | Truth,
    data_set: DataSet,
    temperatures: Temperatures,
    protocol: Protocol,
    unit: str,
) -> Result:
    """What `scores` with one flow come to. unit: what there is one prediction of."""
    classes = data_set.classes
    found = probabilities(scores[RGB], scores[flow], temperatures)
    plain = probabilities(scores[RGB], scores[flow], temperatures.untempered)
    return Result(
        data_set=data_set.name,
        split=data_set.split,
        protocol=protocol.name,
        crops=protocol.crops,
        flow=flow,
        unit=unit,
        count=len(truth),
        accuracy=of_streams(lambda p: metrics.accuracy(p, truth), found),
        mean_average_precision=metrics.mean_average_precision(found.fused, truth),
        mean_confidence=float(found.fused.max(1).mean()),
        calibration_error=of_streams(lambda p: metrics.calibration_error(p, truth), found),
        calibration_error_before=of_streams(lambda p: metrics.calibration_error(p, truth), plain),
        average_precision=dict(
            zip(classes, metrics.average_precisions(found.fused, truth), strict=True)
        ),
        reliability=tuple(Bin(*each) for each in metrics.reliability(found.fused, truth)),
        **_by_class(found.fused, truth, classes),
    )


def of_streams(measure: Callable[[F32], float], found: Probabilities) -> OfStreams:
    """One number of each of the three predictions."""
    return OfStreams(fused=measure(found.fused), rgb=measure(found.rgb), flow=measure(found.flow))


def _by_class(fused: F32, truth: Labels | Truth, classes: tuple[str, ...]) -> dict[str, Any]:
    """The fields of a result that need one class an example."""
    if truth.ndim == 2:
        return {}
    table = metrics.confusion(fused, cast(Labels, truth))
    return {
        "class_accuracy": dict(zip(classes, metrics.class_accuracy(table), strict=True)),
        "confusion": table.tolist(),
        "mistakes": tuple(
            Mistake(classes[true], classes[predicted], count)
            for true, predicted, count in metrics.confused_most(table, _MISTAKES)
        ),
    }
