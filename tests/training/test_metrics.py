"""Metrics, by hand."""

import numpy as np
import pytest

from training.metrics import accuracy, calibration_error, class_accuracy, confused_most, confusion

PROBABILITIES = np.array(
    [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1]], np.float32
)
LABELS = np.array([0, 0, 0, 1])


def test_accuracy_is_the_part_that_is_right() -> None:
    assert accuracy(PROBABILITIES, LABELS) == 0.5


def test_confusion_has_truth_in_rows() -> None:
    table = confusion(PROBABILITIES, LABELS)
    assert table.tolist() == [[1, 2, 0], [0, 1, 0], [0, 0, 0]]
    assert class_accuracy(table) == [pytest.approx(1 / 3), 1.0, None]
    mistakes = confused_most(table, ("a", "b", "c"), 5)
    assert mistakes == [{"true": "a", "predicted": "b", "clips": 2}]


def test_calibration_error_is_the_distance_of_confidence_from_accuracy() -> None:
    # Two answers with confidence 0.8, one of them right: |0.8 - 0.5|.
    probabilities = np.array([[0.8, 0.2], [0.8, 0.2]], np.float32)
    assert calibration_error(probabilities, np.array([0, 1])) == pytest.approx(0.3, abs=1e-6)
    sure = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    assert calibration_error(sure, np.array([0, 1])) == 0.0
