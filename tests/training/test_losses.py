"""Mixup, and equations (12) to (14), by hand."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from training.losses import (
    Blend,
    clips_loss,
    random_blend,
    stage1_loss,
    stage2_loss,
    temporal_attention_regularisation,
)


def test_a_blended_clip_is_a_part_of_itself_and_the_rest_of_its_partner() -> None:
    blend = Blend(partner=torch.tensor([1, 0]), part=torch.tensor([0.75, 1.0]))
    images = torch.tensor([[[100]], [[200]]], dtype=torch.uint8)
    assert blend.images(images).flatten().tolist() == [125.0, 200.0]


def test_a_blended_clip_is_scored_by_both_labels_in_the_same_parts() -> None:
    # -log softmax of (log 3, 0): log(4/3) for the first label, log 4 for the second.
    scores, labels = torch.tensor([[math.log(3), 0.0], [0.0, math.log(3)]]), torch.tensor([0, 1])
    plain = stage1_loss(scores, labels).item()
    assert plain == pytest.approx(2 * math.log(4 / 3))
    blend = Blend(partner=torch.tensor([1, 0]), part=torch.tensor([0.75, 1.0]))
    first = 0.75 * math.log(4 / 3) + 0.25 * math.log(4)
    assert stage1_loss(scores, labels, blend=blend).item() == pytest.approx(first + math.log(4 / 3))


def test_with_consensus_scores_are_averaged_before_the_loss_and_without_it_losses_are() -> None:
    # Two images of one clip of class 0: one says it with odds of 3 to 1, the other denies it so.
    scores = torch.tensor([[[math.log(3), 0.0], [0.0, math.log(3)]]])
    labels = torch.tensor([0])
    together = clips_loss(scores, labels, consensus=True).item()
    assert together == pytest.approx(math.log(2))
    apart = clips_loss(scores, labels, consensus=False).item()
    assert apart == pytest.approx((math.log(4 / 3) + math.log(4)) / 2)


def test_no_clip_is_mostly_its_partner() -> None:
    blend = random_blend(500, 0.4, np.random.default_rng(0))
    assert sorted(blend.partner.tolist()) == list(range(500))
    assert 0.5 <= blend.part.min() < 0.6
    assert blend.part.max() > 0.99


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


def test_cross_entropy_is_the_log_loss_of_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(20, 4, generator=generator) * 2
    labels = torch.randint(4, (20,), generator=generator)
    expected = log_loss(labels.numpy(), scores.softmax(1).numpy(), labels=range(4))
    beta, false = torch.full((20, 3, 2), 0.5), torch.zeros(20, 3, 2, dtype=torch.bool)
    found = stage2_loss(scores, labels, beta, false)
    assert found.cross_entropy.item() == pytest.approx(expected, rel=1e-5)
    assert stage1_loss(scores, labels).item() / 20 == pytest.approx(expected, rel=1e-5)
