"""One stream's new head: a classifier fitted to the end, then a little of the second stage.

    bundle's LSTM and attention ─► vectors of windows ─► softmax regression ─► classifier
    both ─► second stage (attention regularised, a fixed short schedule) ─► the new head

Few clips overfit, so nothing begins at random: LSTM and attention begin as the bundle has them,
and the classifier at the optimum of a convex problem whose decay the clips themselves choose, by
leaving sources out.

Where the bundle's classes are kept, its head stays as it is, and only rows of new classes are
added: every old score is what it was, and a clip of an old class can be lost to a new one only.

Shapes: T samples of a clip, D feature width, C classes to learn, F known ones, n windows.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.arrays import F32
from training.binary_classifiers import judge_frames
from training.model.build import Modality
from training.model.key_frames import KeyFrameExploration
from training.onnx_export import round_weights
from training.progress import Progress
from training.recipe import Stage2
from training.stage2 import FeatureClip, train_stage2
from training.teach.folds import spread_folds
from training.teach.softmax_regression import balanced_weights, fit_softmax
from training.teach.windows import window_vectors, windows_of

DECAYS = (1e-2, 1e-1, 1.0, 10.0, 100.0)  # that the clips choose one of
_FOLDS = 3  # to choose it in, and to judge frames in
_DROPOUT = 0.5  # of the segment vector, as in the recipes


@dataclass(frozen=True)
class Example:
    """A clip of one stream: its class, its source, and its features [T, D].

    label: known classes first, in the bundle's order, then those to learn.
    """

    label: int
    group: str
    features: F32


class StreamTeacher:
    """Fits heads of one stream to parts of some examples.

    Args:
        head: the bundle's. known: how many of its classes are kept: all of them, or 0.
        classes: how many are to be learnt.
    """

    def __init__(
        self,
        modality: Modality,
        head: KeyFrameExploration,
        examples: Sequence[Example],
        *,
        known: int,
        classes: int,
        segments: int,
        frames_per_segment: int,
        seed: int,
    ) -> None:
        self._modality = modality
        self._head = head
        self._examples = examples
        self._known, self._classes = known, classes
        self._segments, self._k = segments, frames_per_segment
        self._seed = seed
        parts, numbers = [], []
        for number, example in enumerate(examples):
            windows = windows_of(torch.from_numpy(example.features), segments, frames_per_segment)
            parts.append(window_vectors(head, windows))
            numbers += [number] * len(windows)
        self._rows, self._clips = torch.cat(parts), torch.tensor(numbers)  # [n, D], [n]
        labels = torch.tensor([example.label for example in examples])
        self._labels = labels[self._clips]  # [n]
        with torch.no_grad():
            self._fixed = head.classifier(self._rows) if known else None  # [n, F]

    def head(self, part: Sequence[int], progress: Progress) -> KeyFrameExploration:
        """A head fitted to some of the examples by their numbers, in eval mode."""
        W, b = self._classifier(part, self._decay(part))
        head = with_classifier(self._head, W, b, known=self._known)
        if not self._known:
            head.dropout.p = _DROPOUT
            self._second_stage(head, part, progress)
        round_weights(head)  # to what a bundle stores: it is measured as it will run
        return head.eval()

    def _decay(self, part: Sequence[int]) -> float:
        """The one of DECAYS under which sources that are left out are told best."""
        examples = [self._examples[number] for number in part]
        groups = [example.group for example in examples]
        folds = spread_folds(
            [example.label for example in examples],
            groups,
            min(_FOLDS, len(set(groups))),
            self._seed,
        )
        losses = np.zeros(len(DECAYS))
        for fold in sorted(set(folds)):
            left_out = [number for number, own in zip(part, folds, strict=True) if own == fold]
            kept = [number for number, own in zip(part, folds, strict=True) if own != fold]
            chosen = self._of(left_out)
            weights = balanced_weights(self._labels[chosen], self._clips[chosen])
            for place, decay in enumerate(DECAYS):
                W, b = self._classifier(kept, decay)
                scores = self._rows[chosen] @ W.T + b
                if self._fixed is not None:
                    scores = torch.cat((self._fixed[chosen], scores), dim=1)
                entropy = F.cross_entropy(scores, self._labels[chosen], reduction="none")
                losses[place] += float((weights * entropy).sum())
        return DECAYS[int(losses.argmin())]

    def _classifier(self, part: Sequence[int], decay: float) -> tuple[Tensor, Tensor]:
        """W [C, D] and b [C] of the classes to learn."""
        chosen = self._of(part)
        return fit_softmax(
            self._rows[chosen],
            self._labels[chosen],
            balanced_weights(self._labels[chosen], self._clips[chosen]),
            self._classes,
            decay=decay,
            fixed=None if self._fixed is None else self._fixed[chosen],
        )

    def _of(self, part: Sequence[int]) -> Tensor:
        """[n]: whether a row is of one of these examples."""
        return torch.isin(self._clips, torch.tensor(list(part)))

    def _second_stage(
        self, head: KeyFrameExploration, part: Sequence[int], progress: Progress
    ) -> None:
        """Train `head` further, in place, on some of the examples."""
        examples = {str(number): self._examples[number] for number in part}
        true = judge_frames(
            {key: example.features for key, example in examples.items()},
            {key: example.label for key, example in examples.items()},
            {key: example.group for key, example in examples.items()},
            self._classes,
            folds=_FOLDS,
            seed=self._seed,
        )
        clips: Mapping[str, list[FeatureClip]] = {
            str(label): [
                FeatureClip(label, (example.features,), ~true[key])
                for key, example in examples.items()
                if example.label == label
            ]
            for label in sorted({example.label for example in examples.values()})
        }
        train_stage2(
            self._modality,
            clips,
            head,
            settings=schedule(list(clips)),
            segments=self._segments,
            frames_per_segment=self._k,
            seed=self._seed,
            progress=progress,
        )


def schedule(names: Sequence[str]) -> Stage2:
    """A short, fixed one: all classes drawn alike, whatever their number of clips."""
    return Stage2(
        draw=dict.fromkeys(names, 1),
        iterations=60,
        step_every=40,
        learning_rate=0.003,
        batch=32,
        label_smoothing=0.1,
        folds=_FOLDS,
    )


def with_classifier(
    head: KeyFrameExploration, W: Tensor, b: Tensor, *, known: int
) -> KeyFrameExploration:
    """A copy of `head` whose classifier has its first `known` rows, and W [C, D], b [C] below."""
    found = copy.deepcopy(head)
    width = head.classifier.in_features
    found.classifier = nn.Linear(width, known + len(W))
    with torch.no_grad():
        found.classifier.weight.copy_(torch.cat((head.classifier.weight[:known], W)))
        found.classifier.bias.copy_(torch.cat((head.classifier.bias[:known], b)))
    return found


def with_order(head: KeyFrameExploration, columns: Sequence[int]) -> KeyFrameExploration:
    """A copy of `head` that gives its scores in another order: the one of `columns` first."""
    found = copy.deepcopy(head)
    with torch.no_grad():
        found.classifier.weight.copy_(head.classifier.weight[list(columns)])
        found.classifier.bias.copy_(head.classifier.bias[list(columns)])
    return found
