"""Softmax regression against scikit-learn, by hand, and beside scores that stay."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from training.teach.softmax_regression import balanced_weights, fit_softmax


def _data(classes: int = 3, width: int = 6, rows: int = 90) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, rows)
    features = rng.normal(0, 1, (rows, width)) * np.linspace(0.5, 3, width) + 4
    features[np.arange(rows), labels] += 1.5
    return torch.tensor(features, dtype=torch.float32), torch.tensor(labels)


@pytest.mark.parametrize("decay", [0.003, 0.1])
def test_it_is_scikit_learns_on_scaled_features(decay: float) -> None:
    rows, labels = _data()
    weights = torch.rand(len(rows), generator=torch.Generator().manual_seed(1)) + 0.5
    W, b = fit_softmax(rows, labels, weights, 3, decay=decay)
    scaled = ((rows - rows.mean(0)) / rows.std(0, unbiased=False)).numpy()
    # scikit-learn minimises sum(weight · entropy) + |W|² / (2 C).
    share = (weights / weights.sum()).numpy()
    reference = LogisticRegression(C=1 / (2 * decay), tol=1e-8, max_iter=2000)
    reference.fit(scaled, labels.numpy(), sample_weight=share)
    found = (rows @ W.T + b).softmax(1).numpy()
    np.testing.assert_allclose(found, reference.predict_proba(scaled), atol=2e-3)


def test_new_classes_beside_known_ones_leave_those_as_they_are() -> None:
    """The optimum's condition: a new class's weighted probability is its weighted share."""
    rows, labels = _data()
    fixed = torch.randn(len(rows), 2, generator=torch.Generator().manual_seed(2))  # classes 0, 1
    weights = torch.ones(len(rows))
    W, b = fit_softmax(rows, labels, weights, 1, decay=0.01, fixed=fixed)
    assert W.shape == (1, 6)
    p = torch.cat((fixed, rows @ W.T + b), dim=1).softmax(1)
    assert p[:, 2].mean().item() == pytest.approx((labels == 2).float().mean().item(), abs=1e-3)


def test_classes_and_clips_weigh_the_same_however_many_rows_they_have() -> None:
    # Class 0: clip 0 with three rows, clip 1 with one. Class 1: clip 2 with two rows.
    labels = torch.tensor([0, 0, 0, 0, 1, 1])
    clips = torch.tensor([0, 0, 0, 1, 2, 2])
    weights = balanced_weights(labels, clips)
    torch.testing.assert_close(weights, torch.tensor([1 / 6, 1 / 6, 1 / 6, 1 / 2, 1 / 2, 1 / 2]))
