"""Equations (12) to (14), by hand."""

import math

import pytest
import torch

from training.losses import stage2_loss, temporal_attention_regularisation


def test_regularisation_is_the_mean_square_of_attention_on_false_frames() -> None:
    # One clip of two segments of two frames; two false frames, M = 2.
    beta = torch.tensor([[[0.25, 0.75], [0.5, 0.5]]])
    false = torch.tensor([[[True, False], [False, True]]])
    expected = (0.25**2 + 0.5**2) / 2
    assert temporal_attention_regularisation(beta, false).item() == pytest.approx(expected)


def test_a_clip_without_false_frames_gives_zero_and_counts_in_the_mean() -> None:
    beta = torch.tensor([[[0.25, 0.75]], [[0.5, 0.5]]])
    false = torch.tensor([[[False, False]], [[True, True]]])
    assert temporal_attention_regularisation(beta, false).item() == pytest.approx(0.25 / 2)
    assert temporal_attention_regularisation(beta[:1], false[:1]).item() == 0.0


def test_regularisation_pushes_attention_to_true_frames() -> None:
    logits = torch.zeros(1, 1, 3, requires_grad=True)
    false = torch.tensor([[[True, True, False]]])
    temporal_attention_regularisation(logits.softmax(2), false).backward()
    assert logits.grad is not None
    assert logits.grad[0, 0, 2] < 0 < logits.grad[0, 0, 0]


def test_the_whole_loss_is_the_sum_of_its_parts() -> None:
    scores, labels = torch.zeros(2, 4), torch.tensor([0, 3])
    beta, false = torch.full((2, 1, 2), 0.5), torch.ones(2, 1, 2, dtype=torch.bool)
    loss = stage2_loss(scores, labels, beta, false)
    assert loss.cross_entropy.item() == pytest.approx(math.log(4))
    assert loss.regularisation.item() == pytest.approx(0.25)
    assert loss.total.item() == pytest.approx(math.log(4) + 0.25)
