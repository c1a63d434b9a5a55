"""The classifiers that judge frames: balanced, right on easy data, never their own clips' judge."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from training.binary_classifiers import fit_classifiers, folds_of, judge_frames
from training.errors import DataError


def test_a_group_is_never_on_both_sides() -> None:
    groups = [f"source{index // 3}" for index in range(30)]
    folds = folds_of(groups, 4, seed=0)
    assert set(folds) == {0, 1, 2, 3}
    assert all(
        len({f for f, g in zip(folds, groups, strict=True) if g == name}) == 1 for name in groups
    )


def test_separable_classes_are_told_apart_however_rare() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([0] * 190 + [1] * 10)  # class 1 is one in twenty
    features = torch.randn(200, 6, generator=generator) * 0.3
    features[labels == 1, 2] += 3.0
    W, b = fit_classifiers(features, labels, 2)
    true = (features @ W.T + b) > 0
    assert (true[:, 1] == (labels == 1)).all()
    assert (true[:, 0] == (labels == 0)).all()


def test_the_classifiers_are_those_of_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(3, (300,), generator=generator)
    features = torch.randn(300, 5, generator=generator) * 2 + 1
    features[torch.arange(300), labels] += 1.5
    W, b = fit_classifiers(features, labels, 3, decay=1e-3, iterations=200)
    scaled = (features - features.mean(0)) / features.std(0)
    for c in range(3):
        # Ours: mean over frames of the weighted loss + decay |w|^2. Theirs: C sum + |w|^2 / 2.
        theirs = LogisticRegression(C=1 / (2 * 300 * 1e-3), class_weight="balanced", tol=1e-6)
        theirs.fit(scaled.numpy(), (labels == c).numpy())
        expected = theirs.decision_function(scaled.numpy())
        found = (features @ W[c] + b[c]).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-2)


def test_a_clip_is_judged_by_classifiers_that_never_saw_it() -> None:
    """Each clip has a mark of its own that only a classifier trained on it could use.

    With noise but for the mark a classifier calls its own training frames true, all of them; one
    that never saw the clip is left to chance.
    """
    rng = np.random.default_rng(0)
    features, labels, groups = {}, {}, {}
    for index in range(40):
        key = f"clip{index:02d}"
        frames = rng.normal(0, 0.1, (9, 48)).astype(np.float32)
        frames[:, index] += 5.0
        features[key], labels[key], groups[key] = frames, index % 2, key
    verdicts = judge_frames(features, labels, groups, 2, folds=4, seed=0)
    assert set(verdicts) == set(features)
    by_others = np.mean([verdicts[key].mean() for key in features])
    stacked = torch.from_numpy(np.concatenate([features[key] for key in features]))
    numbers = torch.tensor([labels[key] for key in features for _ in range(9)])
    W, b = fit_classifiers(stacked, numbers, 2)
    by_itself = ((stacked @ W.T + b) > 0)[torch.arange(len(numbers)), numbers].float().mean()
    assert by_itself.item() > 0.99
    assert by_others < 0.75


def test_frames_that_show_nothing_are_judged_false() -> None:
    rng = np.random.default_rng(1)
    features, labels, groups = {}, {}, {}
    for index in range(24):
        label = index % 2
        frames = rng.normal(0, 0.1, (10, 4)).astype(np.float32)
        frames[5:, label] += 2.0  # the first half of every clip looks alike
        features[f"{index}"], labels[f"{index}"], groups[f"{index}"] = frames, label, f"{index}"
    verdicts = judge_frames(features, labels, groups, 2, folds=4, seed=0)
    shown = np.stack(list(verdicts.values()))
    assert shown[:, 5:].mean() > 0.95
    assert shown[:, :5].mean() < 0.8


def test_clips_of_one_source_alone_cannot_be_judged() -> None:
    features = {key: np.zeros((3, 4), np.float32) for key in ("set/a", "set/b")}
    labels, groups = {"set/a": 0, "set/b": 1}, dict.fromkeys(features, "set/video")
    with pytest.raises(DataError, match=r"All 2 clips .* one source.*add clips from another"):
        judge_frames(features, labels, groups, 2, folds=5, seed=0)
