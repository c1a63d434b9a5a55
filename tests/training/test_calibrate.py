"""One temperature, found where the answer is known."""

import pytest
import torch

from training.calibrate import fit_temperature


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
