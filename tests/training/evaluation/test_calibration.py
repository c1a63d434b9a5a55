"""Temperatures, found where the answer is known."""

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from training.evaluation.calibration import CalibrationSet, fit_temperature
from training.model.consensus import Temperatures


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_that_spoilt_the_probabilities_is_found(temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20000, 5, generator=generator) * 2
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    spoilt = (logits * temperature).softmax(1)
    assert fit_temperature(spoilt, labels) == pytest.approx(temperature, rel=0.05)


def test_two_answers_by_hand() -> None:
    # Right three times in four, and always 60 % sure: 0.75 / 0.25 = (0.6 / 0.4) ** (1 / T).
    probabilities = torch.tensor([[0.6, 0.4]] * 4)
    labels = torch.tensor([0, 0, 0, 1])
    assert fit_temperature(probabilities, labels) == pytest.approx(0.36907, rel=1e-3)


def test_answers_that_are_always_right_stay_within_bounds() -> None:
    probabilities = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    assert fit_temperature(probabilities, torch.tensor([0, 1])) == pytest.approx(0.05, rel=1e-2)


def _streams(count: int = 20000) -> CalibrationSet:
    """Two streams, each with true probabilities of its own guess, spoilt by 2 and by 0.5."""
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=count)
    shown = np.eye(4)[labels]
    # The log odds of a Gaussian reading of the truth: these scores are calibrated as they are.
    rgb, flow = (a * (a * shown + rng.normal(size=(count, 4))) for a in (1.0, 2.0))
    return CalibrationSet((2 * rgb).astype(np.float32), (0.5 * flow).astype(np.float32), labels)


def test_each_stream_gets_its_own_temperature_and_then_their_fusion() -> None:
    examples = _streams()
    found = examples.fit()
    assert found.rgb == pytest.approx(2.0, rel=0.05)
    assert found.flow == pytest.approx(0.5, rel=0.05)
    # The mean of two calibrated streams is less sure than their agreement deserves.
    assert found.fused < 1
    before, after = examples.errors(Temperatures()), examples.errors(found)
    for name in ("rgb", "flow", "fused"):
        assert getattr(after, name) < 0.02 < getattr(before, name)


def test_no_other_temperature_has_a_smaller_log_loss() -> None:
    examples = _streams(500)
    found = examples.fit()

    def loss(fused: float) -> float:
        temperatures = Temperatures(rgb=found.rgb, flow=found.flow, fused=fused)
        return log_loss(examples.labels, examples.probabilities(temperatures).fused)

    least = loss(found.fused)
    assert all(least < loss(found.fused * factor) for factor in (0.8, 0.95, 1.05, 1.2))


def test_the_predictions_with_every_flow_are_pooled() -> None:
    rng = np.random.default_rng(0)
    first = {name: rng.normal(size=(3, 2)).astype(np.float32) for name in ("rgb", "dis", "tvl1")}
    second = {name: rng.normal(size=(1, 2)).astype(np.float32) for name in ("rgb", "dis")}
    found = CalibrationSet.pool([(first, np.array([0, 1, 0])), (second, np.array([1]))])
    np.testing.assert_array_equal(
        found.rgb, np.concatenate([first["rgb"], first["rgb"], second["rgb"]])
    )
    np.testing.assert_array_equal(
        found.flow, np.concatenate([first["dis"], first["tvl1"], second["dis"]])
    )
    assert found.labels.tolist() == [0, 1, 0, 0, 1, 0, 1]


def test_what_a_threshold_costs_is_told_in_right_answers() -> None:
    scores = np.log([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]]).astype(np.float32)
    examples = CalibrationSet(scores, scores, np.array([0, 0, 1, 1]))
    # Right with 0.9, 0.6 and 0.8; wrong with 0.7.
    assert examples.right_lost(Temperatures(), 0.5) == 0.0
    assert examples.right_lost(Temperatures(), 0.75) == pytest.approx(1 / 3)
    assert examples.right_lost(Temperatures(), 0.85) == pytest.approx(2 / 3)


def test_the_fusion_asked_for_is_calibrated() -> None:
    """Readings of the truth that are independent multiply: then the sum of scores is calibrated,
    and their mean wants a temperature of a half."""
    streams = _streams()
    found = streams.fit("scores")
    assert found.fusion == found.untempered.fusion == "scores"
    assert (found.rgb, found.flow) == pytest.approx((2.0, 0.5), rel=0.05)
    assert found.fused == pytest.approx(0.5, rel=0.05)
