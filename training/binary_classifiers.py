"""Which frames show their clip's action? One logistic regression a class, cross-fitted by source.

The paper trains one binary classifier a class on features of the pre-trained CNN, and lets it
judge the frames. A classifier that judges the frames it was trained on says "true" to all of
them, so here each clip is judged by classifiers that saw no clip of its source video.

Shapes: n frames, D feature width, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from engine.arrays import F32
from training.errors import DataError

_EVERY = 3  # neighbouring frames are near copies; a third of them fits as well


def folds_of(groups: Sequence[str], folds: int, seed: int) -> list[int]:
    """A fold number for each item; items of one group share theirs."""
    names = sorted(set(groups))
    order = np.random.default_rng(seed).permutation(len(names))
    fold = {names[index]: place % folds for place, index in enumerate(order)}
    return [fold[group] for group in groups]


def fit_classifiers(
    features: Tensor, labels: Tensor, classes: int, *, decay: float = 1e-3, iterations: int = 40
) -> tuple[Tensor, Tensor]:
    """One-against-rest logistic regressions: features [n, D], labels [n] -> W [C, D], b [C].

    Class-balanced: in each, the positives weigh as much as the negatives. decay: L2 on W, with
    features scaled to unit variance. All C are fitted together by L-BFGS.
    """
    mean, std = features.mean(0), features.std(0).clamp_min(1e-3)
    scaled = (features - mean) / std
    targets = F.one_hot(labels, classes).float()  # [n, C]
    positives = targets.mean(0)  # [C]
    weights = torch.where(
        targets > 0, 0.5 / positives.clamp_min(1e-9), 0.5 / (1 - positives).clamp_min(1e-9)
    )
    W = torch.zeros(classes, features.shape[1], requires_grad=True)
    b = torch.zeros(classes, requires_grad=True)
    optimiser = torch.optim.LBFGS([W, b], max_iter=iterations, line_search_fn="strong_wolfe")

    def objective() -> Tensor:
        optimiser.zero_grad()
        scores = scaled @ W.T + b  # [n, C]
        loss = F.binary_cross_entropy_with_logits(scores, targets, weight=weights)
        loss = loss + decay * W.square().sum() / classes
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(objective)  # type: ignore[no-untyped-call]
    W, b = W.detach() / std, b.detach()
    return W, b - W @ mean


def judge_frames(
    features: Mapping[str, F32],
    labels: Mapping[str, int],
    groups: Mapping[str, str],
    classes: int,
    *,
    folds: int,
    seed: int,
) -> dict[str, NDArray[np.bool_]]:
    """For each clip's [T, D] a [T] of True where its class's classifier says the frame shows it.

    Raises DataError where all clips are of one source: no classifier could be of others.
    """
    keys = sorted(features)
    if len({groups[key] for key in keys}) < 2:
        raise DataError(
            f"All {len(keys)} clips of the second stage are cut from one source, as their names "
            f"say ({keys[0]}), and each has to be judged by classifiers of others: add clips from "
            "another recording, or rename those that aren't from this one."
        )
    fold = dict(zip(keys, folds_of([groups[key] for key in keys], folds, seed), strict=True))
    verdicts: dict[str, NDArray[np.bool_]] = {}
    for number in range(folds):
        seen = [key for key in keys if fold[key] != number]
        judged = [key for key in keys if fold[key] == number]
        if not seen or not judged:
            continue
        stacked = torch.from_numpy(np.concatenate([features[key][::_EVERY] for key in seen]))
        numbers = torch.cat(
            [torch.full((len(features[key][::_EVERY]),), labels[key]) for key in seen]
        )
        W, b = fit_classifiers(stacked, numbers, classes)
        for key in judged:
            own = labels[key]
            verdicts[key] = (features[key] @ W[own].numpy() + b[own].item()) > 0
    return verdicts
