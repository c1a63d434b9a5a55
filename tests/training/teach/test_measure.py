"""Accuracy with its error, temperatures of few clips, and the threshold of idle footage."""

import numpy as np
import pytest

from engine.manifest import Calibration, Fusion
from training.evaluation.results import Mistake
from training.teach.measure import (
    Predictions,
    Scores,
    abstention_threshold,
    fit_calibration,
    measured,
    predict,
    predict_left_out,
    standard_error,
)


def _scores(rgb: list[list[float]], clips: list[int]) -> Scores:
    scores = np.array(rgb, np.float32)
    return Scores(scores, scores.copy(), np.array(clips))


def test_standard_error_by_hand() -> None:
    # Alone: the common one, sqrt(p (1 - p) / (n - 1)) = sqrt(0.1875 / 3).
    right = np.array([True, True, True, False])
    assert standard_error(right, list("abcd")) == pytest.approx(0.25)
    # Two sources: residuals 1/4 + 1/4 and 1/4 - 3/4; sqrt(2 / 1 · (1/4 + 1/4)) / 4.
    assert standard_error(right, list("aabb")) == pytest.approx(0.25)
    # All of the mistake's clips in one source: residuals sum to 0.75 and -0.75.
    assert standard_error(right, list("aaab")) == pytest.approx(np.sqrt(2 * 2 * 0.75**2) / 4)
    assert np.isnan(standard_error(right, list("aaaa")))


def test_a_clip_is_the_mean_of_its_windows() -> None:
    fused = np.array([[0.9, 0.1], [0.2, 0.8], [0.2, 0.8], [0.6, 0.4]], np.float32)
    predictions = Predictions(fused, fused, fused, np.array([7, 7, 7, 9]))
    clips, numbers = predictions.of_clips()
    assert numbers.tolist() == [7, 9]
    np.testing.assert_allclose(clips.fused, [[1.3 / 3, 1.7 / 3], [0.6, 0.4]], rtol=1e-6)


def test_few_clips_that_are_all_right_do_not_make_it_certain() -> None:
    """Laplace's rule: of four clips of two classes five in six are expected to be right.

    Every window says 0.8, so the temperatures bring it to 5/6."""
    logit = float(np.log(4.0))
    scores = _scores([[logit, 0.0], [logit, 0.0], [0.0, logit], [0.0, logit]], [0, 1, 2, 3])
    labels = np.array([0, 0, 1, 1])
    found = predict(scores, fit_calibration(scores, labels, "probabilities"))
    np.testing.assert_allclose(found.fused.max(1), 5 / 6, atol=1e-3)
    np.testing.assert_allclose(found.rgb.max(1), 5 / 6, atol=1e-3)


def test_a_folds_temperature_is_fitted_on_the_others() -> None:
    """Fold 1 is always wrong; that must not soften its own predictions, only those of fold 0."""
    scores = _scores([[2.0, 0.0]] * 4 + [[2.0, 0.0]] * 4, list(range(8)))
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    folds = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    found = predict_left_out(scores, labels, folds, "probabilities")
    confidence = dict(zip(found.clips.tolist(), found.fused[:, 0].tolist(), strict=True))
    # Fold 1's is from fold 0, which was right four times in four: 5/6. The other way round the
    # temperature is as soft as can be.
    assert confidence[5] == pytest.approx(5 / 6, abs=1e-3)
    assert confidence[1] < 0.6


def test_what_is_measured_by_hand() -> None:
    # Clip 0 (class 0) is right in one of two windows, 0.9 against 0.4; clip 1 (class 1) is wrong.
    fused = np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2]], np.float32)
    predictions = Predictions(fused, fused, 1 - fused, np.array([0, 0, 1]))
    scores = Scores(np.log(fused), np.log(fused), np.array([0, 0, 1]))
    found = measured(
        predictions, scores, np.array([0, 1]), ["a", "b"], ("run", "walk"), "probabilities"
    )
    assert (found.clips, found.sources) == (2, 2)
    assert found.accuracy == {"rgb+flow": 0.5, "rgb": 0.5, "flow": 0.5}
    assert found.window_accuracy == pytest.approx(1 / 3)
    assert found.classes == {"run": 1.0, "walk": 0.0}
    assert found.mistakes == (Mistake("walk", "run", 1),)
    assert found.standard_error == pytest.approx(0.5)  # sqrt(2 · (1/4 + 1/4)) / 2
    # |0.9 - 1|, |0.6 - 0| and |0.8 - 0|, a third each; with all temperatures 1 the same.
    assert found.calibration_error == pytest.approx((0.1 + 0.6 + 0.8) / 3, abs=1e-6)
    assert found.calibration_error_before == pytest.approx((0.1 + 0.6 + 0.8) / 3, abs=1e-6)


def test_the_threshold_of_idle_footage() -> None:
    """Ten idle windows, one alarm allowed in ten: the second surest alarm sets the threshold."""
    fused = np.full((11, 2), 0.5, np.float32)
    fused[:, 0] = [0.9, 0.8, 0.7, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.95]
    fused[:, 1] = 1 - fused[:, 0]
    predictions = Predictions(fused, fused, fused, np.arange(11))
    labels = np.array([1] * 10 + [0])
    threshold = abstention_threshold(predictions, labels, 1, alarms=0.1)
    assert 0.8 < threshold < 0.8001
    assert abstention_threshold(predictions, labels, 1, alarms=0.3) == 0.0


@pytest.mark.parametrize("fusion", ["probabilities", "scores"])
def test_temperatures_of_both_streams_and_the_fused(fusion: Fusion) -> None:
    scores = _scores([[3.0, 0.0], [0.0, 3.0], [3.0, 0.0]], [0, 1, 2])
    found = fit_calibration(scores, np.array([0, 1, 1]), fusion)
    assert found.fusion == fusion
    assert found.rgb == pytest.approx(found.flow)
    assert found.rgb > 1.0  # one in three was wrong
    assert isinstance(found, Calibration)
