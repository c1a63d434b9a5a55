"""Numbers that say how good predictions are.

Shapes: n predictions, C classes. What is true of them is given as int labels [n], or as bool
[n, C] where an example may show several classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.arrays import F32

Labels = NDArray[np.int64]
Truth = NDArray[np.bool_]
Confusion = NDArray[np.int64]

BINS = 15  # of confidence, between 0 and 1


def right(probabilities: F32, truth: Labels | Truth) -> Truth:
    """[n]: whether the largest class of each prediction [n, C] is true of it."""
    best = probabilities.argmax(1)
    if truth.ndim == 2:
        return np.asarray(truth[np.arange(len(best)), best], np.bool_)
    return np.asarray(best == truth)


def accuracy(probabilities: F32, truth: Labels | Truth) -> float:
    """Equation (19): the part of predictions [n, C] whose largest class is right."""
    return float(right(probabilities, truth).mean())


def average_precision(scores: F32, relevant: Truth) -> float | None:
    """Equations (15) to (17) of one class: scores [n] and whether each example shows it [n].

    Examples are taken in order of falling score; P(v) is the part of the first v that are
    relevant, and AP its mean over the relevant ones. Examples of equal score have no order: each
    takes the P at the last of them, so that the order of the files has no say. None where no
    example is relevant: nothing could have been found.
    """
    if not relevant.any():
        return None
    order = np.argsort(-scores, kind="stable")
    ranked, found = scores[order], relevant[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # last of each equal run
    true_positives = np.cumsum(found)[ends]
    precision = true_positives / (ends + 1)  # (16)
    new = np.diff(true_positives, prepend=0)  # relevant ones of each run
    return float((precision * new).sum() / found.sum())  # (15)


def average_precisions(probabilities: F32, truth: Labels | Truth) -> list[float | None]:
    """AP of each class: predictions [n, C] -> C numbers."""
    shown = classes_shown(truth, probabilities.shape[1])
    return [average_precision(probabilities[:, c], shown[:, c]) for c in range(shown.shape[1])]


def mean_average_precision(probabilities: F32, truth: Labels | Truth) -> float:
    """Equation (18): the mean of AP over the classes that some example shows."""
    found = average_precisions(probabilities, truth)
    return float(np.mean([each for each in found if each is not None]))


def classes_shown(truth: Labels | Truth, classes: int) -> Truth:
    """int [n], or bool [n, C] as it is -> bool [n, C]."""
    return np.asarray(truth if truth.ndim == 2 else truth[:, None] == np.arange(classes), np.bool_)


def confusion(probabilities: F32, labels: Labels) -> Confusion:
    """[C, C]: row = the true class, column = the predicted one."""
    classes = probabilities.shape[1]
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (labels, probabilities.argmax(1)), 1)
    return table


def class_accuracy(table: Confusion) -> list[float | None]:
    """Accuracy of each class; None for a class without a clip."""
    return [float(row[index] / row.sum()) if row.sum() else None for index, row in enumerate(table)]


def confused_most(table: Confusion, count: int) -> list[tuple[int, int, int]]:
    """The `count` most frequent mistakes, as (true class, predicted class, how often)."""
    wrong = table - np.diag(np.diag(table))
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    places = [divmod(int(place), len(table)) for place in order]
    return [(*place, int(wrong[place])) for place in places if wrong[place] > 0]


def reliability(
    probabilities: F32, truth: Labels | Truth, bins: int = BINS
) -> list[tuple[int, float, float]]:
    """(count, mean confidence, accuracy) of each bin of confidence that has a prediction."""
    confidence = probabilities.max(1)
    hits = right(probabilities, truth)
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        (int(inside.sum()), float(confidence[inside].mean()), float(hits[inside].mean()))
        for index in range(bins)
        if (inside := bin_of == index).any()
    ]


def calibration_error(probabilities: F32, truth: Labels | Truth, bins: int = BINS) -> float:
    """Expected calibration error (Guo et al., 2017): |confidence - accuracy|, weighed by bin."""
    found = reliability(probabilities, truth, bins)
    gaps = [count * abs(confidence - accuracy) for count, confidence, accuracy in found]
    return sum(gaps) / len(probabilities)
