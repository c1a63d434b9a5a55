"""Metrics, by hand and against scikit-learn."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, average_precision_score, confusion_matrix

from training.evaluation.metrics import (
    accuracy,
    average_precision,
    average_precisions,
    calibration_error,
    class_accuracy,
    classes_shown,
    confused_most,
    confusion,
    mean_average_precision,
    reliability,
)

PROBABILITIES = np.array(
    [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1]], np.float32
)
LABELS = np.array([0, 0, 0, 1])


def _random(count: int = 300, classes: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities [n, C] that are right now and then, and labels [n]."""
    rng = np.random.default_rng(0)
    labels = rng.integers(classes, size=count)
    scores = rng.normal(size=(count, classes)) + 1.5 * classes_shown(labels, classes)
    weights = np.exp(scores)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32), labels


def test_accuracy_is_the_part_that_is_right() -> None:
    assert accuracy(PROBABILITIES, LABELS) == 0.5  # two of four, equation (19)


def test_of_several_labels_any_will_do() -> None:
    shown = np.array([[0, 1, 0], [1, 1, 0], [0, 1, 1], [1, 0, 0]], bool)
    assert accuracy(PROBABILITIES, shown) == 0.5  # the second and the third


def test_accuracy_and_confusion_are_those_of_scikit_learn() -> None:
    probabilities, labels = _random()
    best = probabilities.argmax(1)
    assert accuracy(probabilities, labels) == pytest.approx(accuracy_score(labels, best))
    expected = confusion_matrix(labels, best, labels=range(6))
    np.testing.assert_array_equal(confusion(probabilities, labels), expected)
    recall = expected.diagonal() / expected.sum(1)
    np.testing.assert_allclose(class_accuracy(confusion(probabilities, labels)), recall)


def test_confusion_has_truth_in_rows() -> None:
    table = confusion(PROBABILITIES, LABELS)
    assert table.tolist() == [[1, 2, 0], [0, 1, 0], [0, 0, 0]]
    assert class_accuracy(table) == [pytest.approx(1 / 3), 1.0, None]
    assert confused_most(table, 5) == [(0, 1, 2)]


def test_average_precision_by_hand() -> None:
    # Sorted: relevant, not, relevant, not. P(1) = 1 and P(3) = 2/3 count; their mean is 5/6.
    scores = np.array([0.6, 0.9, 0.7, 0.8], np.float32)
    relevant = np.array([0, 1, 1, 0], bool)
    assert average_precision(scores, relevant) == pytest.approx(5 / 6)
    assert average_precision(scores, np.zeros(4, bool)) is None


def test_equal_scores_have_no_order() -> None:
    # Not relevant; then two at one score, one of them relevant: P = 1/3; then relevant: P = 2/4.
    scores = np.array([0.9, 0.5, 0.5, 0.1], np.float32)
    for relevant in ([0, 1, 0, 1], [0, 0, 1, 1]):
        found = average_precision(scores, np.array(relevant, bool))
        assert found == pytest.approx((1 / 3 + 1 / 2) / 2)


def test_mean_average_precision_leaves_out_classes_that_nothing_shows() -> None:
    # Class 0: relevant are ranks 1, 2, 3 of its order: AP 1. Class 1: rank 1 of 4: AP 1. Class 2:
    # none. With the last two labels exchanged class 0 has ranks 1, 2, 4: (1 + 1 + 3/4) / 3, and
    # class 1 has rank 2: 1/2.
    assert mean_average_precision(PROBABILITIES, LABELS) == pytest.approx(1.0)
    exchanged = mean_average_precision(PROBABILITIES, np.array([0, 0, 1, 0]))
    assert exchanged == pytest.approx(((1 + 1 + 3 / 4) / 3 + 1 / 2) / 2)


@pytest.mark.parametrize("digits", [7, 1])  # with 1 there are many ties
def test_average_precision_is_that_of_scikit_learn(digits: int) -> None:
    probabilities, labels = _random()
    probabilities = probabilities.round(digits)
    shown = classes_shown(labels, 6)
    shown[::3, 2] = True  # several labels
    expected = average_precision_score(shown, probabilities, average=None)
    np.testing.assert_allclose(average_precisions(probabilities, shown), expected)
    macro = average_precision_score(shown, probabilities, average="macro")
    assert mean_average_precision(probabilities, shown) == pytest.approx(macro)


def test_calibration_error_is_the_distance_of_confidence_from_accuracy() -> None:
    # Two answers with confidence 0.8, one of them right: |0.8 - 0.5|.
    probabilities = np.array([[0.8, 0.2], [0.8, 0.2]], np.float32)
    assert calibration_error(probabilities, np.array([0, 1])) == pytest.approx(0.3, abs=1e-6)
    sure = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    assert calibration_error(sure, np.array([0, 1])) == 0.0


def test_calibration_error_has_the_bins_of_scikit_learn() -> None:
    probabilities, labels = _random()
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    accuracies, confidences = calibration_curve(right, confidence, n_bins=15)
    counts, _ = np.histogram(confidence, bins=np.linspace(0, 1, 16))
    weights = counts[counts > 0] / len(labels)
    expected = (weights * np.abs(accuracies - confidences)).sum()
    assert calibration_error(probabilities, labels) == pytest.approx(expected, abs=1e-6)


def test_reliability_is_accuracy_by_confidence() -> None:
    probabilities = np.array([[0.82, 0.18], [0.88, 0.12], [0.4, 0.6]], np.float32)
    found = reliability(probabilities, np.array([0, 1, 1]), bins=10)
    assert [count for count, _, _ in found] == [1, 2]
    np.testing.assert_allclose(found, [(1, 0.6, 1.0), (2, 0.85, 0.5)], rtol=1e-6)
