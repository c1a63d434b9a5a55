"""Heads for a lesson: one pair fitted to all clips, and one for each fold, which is left out of it.

Shapes: m clips of the lesson, w windows of a clip, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from training.data.annotations import Clip
from training.evaluation.metrics import Labels
from training.features import MODALITIES
from training.model.build import Modality
from training.model.key_frames import KeyFrameExploration
from training.model.sta_tsn import StaTsn
from training.progress import Progress
from training.teach.features import Features
from training.teach.folds import spread_folds
from training.teach.head import Example, StreamTeacher, with_order
from training.teach.lesson import Lesson
from training.teach.measure import Scores, joined
from training.teach.windows import window_scores

FOLDS = 5
_SEED = 0

Heads = dict[Modality, KeyFrameExploration]


@dataclass(frozen=True)
class Learnt:
    """heads: fitted to all clips. left_out: each clip's scores by heads that saw none of its
    source. folds [m]: which clips were left out together."""

    heads: Heads
    left_out: Scores
    folds: Labels


def learn(
    model: StaTsn,
    lesson: Lesson,
    features: Mapping[Clip, Features],
    *,
    log: Path,
    progress: Progress,
) -> Learnt:
    """log: a file for the losses of each second stage."""
    # As they are fitted: known classes first, in the order of the bundle's rows.
    names = (*lesson.known, *(name for name in lesson.classes if name not in lesson.known))
    columns = [names.index(name) for name in lesson.classes]
    labels = [names.index(clip.label) for clip in lesson.clips]
    groups = [lesson.group[clip] for clip in lesson.clips]
    teachers = {
        modality: StreamTeacher(
            modality,
            getattr(model, f"{modality}_head"),
            [
                Example(label, group, features[clip][modality])
                for clip, label, group in zip(lesson.clips, labels, groups, strict=True)
            ],
            known=len(lesson.known),
            classes=len(names) - len(lesson.known),
            segments=model.segments,
            frames_per_segment=model.frames_per_segment,
            seed=_SEED,
        )
        for modality in MODALITIES
    }
    folds = np.array(spread_folds(labels, groups, min(FOLDS, len(set(groups))), _SEED))
    numbers = np.unique(folds)
    quiet = Progress(log=log, console=Console(quiet=True))
    with progress.task("learn", len(MODALITIES) * (len(numbers) + 1)) as advance:

        def fit(part: Sequence[int]) -> Heads:
            heads: Heads = {}
            for modality in MODALITIES:
                heads[modality] = with_order(teachers[modality].head(part, quiet), columns)
                advance()
            return heads

        parts = []
        for number in numbers:
            heads = fit(np.flatnonzero(folds != number).tolist())
            left_out = np.flatnonzero(folds == number).tolist()
            parts.append(
                score(heads, model, [features[lesson.clips[i]] for i in left_out], left_out)
            )
        return Learnt(fit(range(len(folds))), joined(parts), folds)


def score(
    heads: Heads,
    model: StaTsn,
    clips: Sequence[Features],
    numbers: Sequence[int] | None = None,
) -> Scores:
    """The scores of the windows of some clips; `numbers` names them."""
    found: dict[Modality, list[torch.Tensor]] = {
        modality: [
            window_scores(
                heads[modality],
                torch.from_numpy(clip[modality]),
                model.segments,
                model.frames_per_segment,
            )
            for clip in clips
        ]
        for modality in MODALITIES
    }
    windows = [len(scores) for scores in found["rgb"]]
    return Scores(
        torch.cat(found["rgb"]).numpy(),
        torch.cat(found["flow"]).numpy(),
        np.repeat(np.arange(len(clips)) if numbers is None else np.asarray(numbers), windows),
    )
