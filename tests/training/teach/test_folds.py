"""Folds: a source is never on both sides, and no class is left out whole."""

from collections import Counter

import numpy as np
import pytest

from training.teach.folds import spread_folds


@pytest.mark.parametrize("seed", range(20))
def test_groups_stay_together_and_no_class_is_left_out_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, groups = [], []
    for label in range(4):
        for _ in range(rng.integers(2, 6)):
            name = f"{label}-{len(groups)}"
            for _ in range(rng.integers(1, 5)):
                labels.append(label)
                groups.append(name)
    folds = spread_folds(labels, groups, 5, seed)
    assert set(folds) <= set(range(5))
    for group in set(groups):
        assert len({f for f, g in zip(folds, groups, strict=True) if g == group}) == 1
    for label in range(4):
        assert len({f for f, own in zip(folds, labels, strict=True) if own == label}) > 1


def test_classes_are_spread_evenly() -> None:
    """Ten sources with two clips of each of two classes: two sources in each of five folds."""
    labels = [0, 0, 1, 1] * 10
    groups = [f"source {index // 4}" for index in range(40)]
    folds = spread_folds(labels, groups, 5)
    assert Counter(zip(folds, labels, strict=True)) == {
        (fold, label): 4 for fold in range(5) for label in (0, 1)
    }


def test_a_class_of_two_sources_that_other_classes_share() -> None:
    labels = [0, 0, 1, 1, 1, 1, 1, 1]
    groups = ["a", "b", "a", "b", "c", "d", "e", "f"]
    for seed in range(10):
        folds = spread_folds(labels, groups, 3, seed)
        assert folds[0] != folds[1]
