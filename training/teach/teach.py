"""The whole of teaching: clips and a bundle in; a model, and what was measured of it, out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.bundle import Bundle
from engine.manifest import Calibration, Manifest
from training.data.annotations import IDLE, Clip
from training.data.preparation import preparation_of
from training.errors import DataError, TrainingError
from training.evaluation.metrics import accuracy
from training.export import read_bundle
from training.model.build import ModelConfig
from training.model.sta_tsn import StaTsn
from training.progress import Progress
from training.teach.features import Extraction, Features, read_features
from training.teach.learn import Heads, learn, score
from training.teach.lesson import Lesson, check_enough, read_lesson
from training.teach.measure import (
    Measured,
    Predictions,
    abstention_threshold,
    fit_calibration,
    measured,
    predict,
    predict_left_out,
)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for; the fields are the command's."""

    clips: Path
    source: str
    work: Path
    flow: str | None = None
    old_clips: Path | None = None
    groups: Path | None = None
    test: Path | None = None
    workers: int = 1


@dataclass(frozen=True, kw_only=True)
class Taught:
    """A model with its new heads, and what was measured.

    source: the old bundle's manifest. flow: learnt from.
    left_out: on every clip, by heads that saw no clip of its source; `predictions` are those, and
        `folds` how many parts were left out in turn.
    tested: on the test part, by the heads of the model; None without one.
    known: the accuracy on the clips of the old bundle's own classes, of that bundle and of heads
        that saw no clip of their source; None where those classes are dropped.
    complaints: a sentence for each clip that couldn't be used.
    """

    model: StaTsn
    config: ModelConfig
    source: Manifest
    flow: str
    lesson: Lesson
    calibration: Calibration
    abstain_below: float
    left_out: Measured
    predictions: Predictions
    folds: int
    tested: Measured | None
    known: tuple[float, float] | None
    complaints: Sequence[str]


def teach(request: Request, progress: Progress) -> Taught:
    """Raises TrainingError or EngineError with a sentence for the user."""
    bundle = Bundle.open(request.source)
    source = bundle.manifest
    flow = source.default_flow if request.flow is None else request.flow
    if flow not in source.flows:
        raise TrainingError(
            f"The bundle '{source.name}' was not trained on flow {flow!r}: use "
            f"{' or '.join(source.flows)}."
        )
    lesson = read_lesson(
        request.clips,
        known=source.classes if request.old_clips is not None else (),
        old=request.old_clips,
        groups=request.groups,
        test=request.test,
    )
    features, complaints = read_features(
        (*lesson.clips, *lesson.test),
        Extraction(
            bundle=bundle.path,
            preparation=preparation_of(source, flow),
            folder=request.work / "features",
        ),
        workers=request.workers,
        progress=progress,
    )
    for complaint in complaints:
        progress.note(f"left out: {complaint}")
    if complaints:
        progress.note(f"{len(complaints)} clips left out, {len(features)} used")
    if not features:
        raise DataError(f"None of the clips could be used; first: {complaints[0]}")
    lesson = replace(
        lesson,
        clips=tuple(clip for clip in lesson.clips if clip in features),
        test=tuple(clip for clip in lesson.test if clip in features),
    )
    check_enough(lesson)
    for note in lesson.notes:
        progress.note(note)
    model, config = read_bundle(bundle.path)
    learnt = learn(model, lesson, features, log=request.work / "teach.log", progress=progress)
    every = (*lesson.clips, *lesson.test)
    labels = np.array([lesson.number(clip) for clip in every])
    groups = [lesson.group[clip] for clip in every]
    fusion = source.calibration.fusion
    calibration = fit_calibration(learnt.left_out, labels, fusion)
    predictions = predict_left_out(learnt.left_out, labels, learnt.folds, fusion)
    left_out = measured(predictions, learnt.left_out, labels, groups, lesson.classes, fusion)
    tested = None
    if lesson.test:
        scores = score(learnt.heads, model, [features[clip] for clip in lesson.test])
        scores = replace(scores, clips=scores.clips + len(lesson.clips))
        tested = measured(
            predict(scores, calibration), scores, labels, groups, lesson.classes, fusion
        )
    known = None
    if lesson.known:
        known = _known_accuracy(model, source, lesson, features, predictions)
    threshold = 0.0
    if IDLE in lesson.classes:
        threshold = abstention_threshold(predictions, labels, lesson.classes.index(IDLE))
    model.rgb_head, model.flow_head = learnt.heads["rgb"], learnt.heads["flow"]
    return Taught(
        model=model,
        config=replace(config, classes=len(lesson.classes)),
        source=source,
        flow=flow,
        lesson=lesson,
        calibration=calibration,
        abstain_below=threshold,
        left_out=left_out,
        predictions=predictions,
        folds=len(set(learnt.folds.tolist())),
        tested=tested,
        known=known,
        complaints=complaints,
    )


def _known_accuracy(
    model: StaTsn,
    source: Manifest,
    lesson: Lesson,
    features: Mapping[Clip, Features],
    predictions: Predictions,
) -> tuple[float, float]:
    """Of the old bundle, and of heads with the new classes beside, on clips of the old classes."""
    clips = [clip for clip in lesson.clips if clip.label in lesson.known]
    heads: Heads = {"rgb": model.rgb_head, "flow": model.flow_head}
    scores = score(heads, model, [features[clip] for clip in clips])
    before, _ = predict(scores, source.calibration).of_clips()
    labels = np.array([source.classes.index(clip.label) for clip in clips])
    after, numbers = predictions.of_clips()
    old = np.array([lesson.clips[number].label in lesson.known for number in numbers])
    labels_after = np.array([lesson.number(clip) for clip in clips])
    return accuracy(before.fused, labels), accuracy(after.fused[old], labels_after)
