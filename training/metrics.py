"""Numbers that say how good predictions are.

Shapes: n predictions, C classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.arrays import F32

Labels = NDArray[np.int64]
Confusion = NDArray[np.int64]


def accuracy(probabilities: F32, labels: Labels) -> float:
    """Equation (19): the part of predictions [n, C] whose largest class is the label [n]."""
    return float((probabilities.argmax(1) == labels).mean())


def confusion(probabilities: F32, labels: Labels) -> Confusion:
    """[C, C]: row = the true class, column = the predicted one."""
    classes = probabilities.shape[1]
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (labels, probabilities.argmax(1)), 1)
    return table


def class_accuracy(table: Confusion) -> list[float | None]:
    """Accuracy of each class; None for a class without a clip."""
    return [float(row[index] / row.sum()) if row.sum() else None for index, row in enumerate(table)]


def confused_most(
    table: Confusion, classes: tuple[str, ...], count: int
) -> list[dict[str, object]]:
    """The `count` most frequent mistakes: {true, predicted, clips}."""
    wrong = table - np.diag(np.diag(table))
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    places = [np.unravel_index(place, wrong.shape) for place in order]
    return [
        {"true": classes[row], "predicted": classes[column], "clips": int(wrong[row, column])}
        for row, column in places
        if wrong[row, column] > 0
    ]


def calibration_error(probabilities: F32, labels: Labels, bins: int = 15) -> float:
    """Expected calibration error (Guo et al., 2017): |confidence - accuracy|, weighed by bin."""
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == labels
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    error = 0.0
    for index in range(bins):
        inside = bin_of == index
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    return float(error)
