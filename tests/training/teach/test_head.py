"""A stream's new head: it tells the new classes, and leaves kept ones as they are."""

import numpy as np
import pytest
import torch
from rich.console import Console

from training.model.key_frames import KeyFrameExploration
from training.progress import Progress
from training.teach.head import Example, StreamTeacher, with_order
from training.teach.windows import window_scores

QUIET = Progress(console=Console(quiet=True))


@pytest.fixture
def old_head() -> KeyFrameExploration:
    torch.manual_seed(0)
    return KeyFrameExploration(width=12, hidden=5, classes=3).eval()


def _examples(classes: int, first: int = 0) -> list[Example]:
    """Six clips of each class, which shows in one feature; noise in the others."""
    rng = np.random.default_rng(first)
    found = []
    for label in range(classes):
        for index in range(6):
            features = rng.normal(0, 1, (34, 12)).astype(np.float32)
            features[:, first + label] += 2
            found.append(Example(first + label, f"{label} {index // 2}", features))
    return found


def _teacher(
    head: KeyFrameExploration, examples: list[Example], *, known: int, classes: int
) -> StreamTeacher:
    return StreamTeacher(
        "rgb",
        head,
        examples,
        known=known,
        classes=classes,
        segments=3,
        frames_per_segment=10,
        seed=0,
    )


def _right(head: KeyFrameExploration, examples: list[Example]) -> float:
    return float(
        np.mean(
            [
                (window_scores(head, torch.from_numpy(e.features), 3, 10).argmax(1) == e.label)
                .float()
                .mean()
                for e in examples
            ]
        )
    )


def test_a_new_head_tells_clips_it_has_not_seen(old_head: KeyFrameExploration) -> None:
    before = {key: value.clone() for key, value in old_head.state_dict().items()}
    examples = _examples(4)
    teacher = _teacher(old_head, examples, known=0, classes=4)
    seen = [index for index in range(24) if index % 6 < 4]  # two of the three sources of each
    head = teacher.head(seen, QUIET)
    assert head.classifier.out_features == 4
    assert not head.training
    assert _right(head, [examples[i] for i in range(24) if i not in seen]) > 0.9
    for key, value in old_head.state_dict().items():  # the bundle's own is not touched
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)
    # The second stage has trained the attention too.
    assert not torch.equal(head.lstm.weight_ih_l0, old_head.lstm.weight_ih_l0)


def test_kept_classes_keep_their_scores_to_the_bit(old_head: KeyFrameExploration) -> None:
    with torch.no_grad():  # as a bundle holds them
        for parameter in old_head.parameters():
            if parameter.dim() >= 2:
                parameter.copy_(parameter.half().float())
        old_head.classifier.weight[:, :3] += 1.5 * torch.eye(3)
    old_head.classifier.weight.data = old_head.classifier.weight.data.half().float()
    examples = [*_examples(3), *_examples(2, first=3)]
    teacher = _teacher(old_head, examples, known=3, classes=2)
    head = teacher.head(range(len(examples)), QUIET)
    features = torch.from_numpy(examples[0].features)
    old = window_scores(old_head, features, 3, 10)
    new = window_scores(head, features, 3, 10)
    assert new.shape[1] == 5
    torch.testing.assert_close(new[:, :3], old, rtol=0, atol=1e-6)
    assert _right(head, examples) > 0.9


def test_another_order(old_head: KeyFrameExploration) -> None:
    features = torch.randn(30, 12, generator=torch.Generator().manual_seed(1))
    scores = window_scores(old_head, features, 3, 10)
    ordered = window_scores(with_order(old_head, [2, 0, 1]), features, 3, 10)
    torch.testing.assert_close(ordered, scores[:, [2, 0, 1]])
