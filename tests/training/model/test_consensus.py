"""Segment consensus, fusion, and which segments count at each sample of a stream."""

import pytest
import torch

from training.model.consensus import fuse, rolling_scores, segment_consensus, stream_probabilities
from training.model.key_frames import KeyFrameExploration

D, H, C, K, N = 6, 4, 3, 10, 3


@pytest.fixture
def head() -> KeyFrameExploration:
    torch.manual_seed(11)
    return KeyFrameExploration(width=D, hidden=H, classes=C).eval()


@pytest.fixture
def features() -> torch.Tensor:
    return torch.randn(60, D, generator=torch.Generator().manual_seed(1))


def test_segments_average_before_softmax_and_streams_after() -> None:
    segments = torch.tensor([[4.0, 0.0], [0.0, 0.0]])
    assert segment_consensus(segments).tolist() == [2.0, 0.0]
    p_rgb = stream_probabilities(torch.log(torch.tensor([0.9, 0.1])))
    p_flow = stream_probabilities(torch.log(torch.tensor([0.5, 0.5])))
    torch.testing.assert_close(fuse(p_rgb, p_flow), torch.tensor([0.7, 0.3]))


def test_temperatures_soften_without_changing_the_order() -> None:
    scores = torch.log(torch.tensor([0.8, 0.2]))
    # At temperature 2 odds of 4 become odds of 2.
    torch.testing.assert_close(stream_probabilities(scores, 2.0), torch.tensor([2 / 3, 1 / 3]))
    p = torch.tensor([0.8, 0.2])
    torch.testing.assert_close(fuse(p, p, 2.0), torch.tensor([2 / 3, 1 / 3]))


def test_a_probability_of_zero_stays_zero() -> None:
    sure = torch.tensor([1.0, 0.0])
    torch.testing.assert_close(fuse(sure, sure, 0.5), sure)


@pytest.mark.parametrize(
    ("t", "segments"),
    [
        (0, [(0, 1)]),  # partial: the segment begun at sample 0
        (8, [(0, 9)]),
        (9, [(0, 10)]),  # the first whole one
        (10, [(1, 11)]),
        (18, [(9, 19)]),  # still one: the other would have begun before sample 0
        (19, [(0, 10), (10, 20)]),
        (28, [(9, 19), (19, 29)]),
        (29, [(0, 10), (10, 20), (20, 30)]),  # the window is full
        (30, [(1, 11), (11, 21), (21, 31)]),
        (59, [(30, 40), (40, 50), (50, 60)]),
    ],
)
@torch.no_grad()
def test_which_segments_count_at_each_sample(
    head: KeyFrameExploration,
    features: torch.Tensor,
    t: int,
    segments: list[tuple[int, int]],
) -> None:
    scores, beta = rolling_scores(head, features, segments=N, frames_per_segment=K)
    parts = [head(features[None, None, start:end]) for start, end in segments]
    expected = torch.stack([part[0, 0] for part, _ in parts]).mean(0)
    torch.testing.assert_close(scores[t], expected)
    expected_beta = torch.cat([own[0, 0] for _, own in parts])
    torch.testing.assert_close(beta[t, -len(expected_beta) :], expected_beta)
    assert (beta[t, : -len(expected_beta)] == 0).all()
    assert beta.shape == (60, N * K)


def test_streams_fused_by_their_scores() -> None:
    p_rgb, p_flow = torch.tensor([0.5, 0.25, 0.25]), torch.tensor([0.1, 0.1, 0.8])
    # The mean of two logarithms is that of the product's root; at a half the product itself.
    products = torch.tensor([0.05, 0.025, 0.2])
    fused = fuse(p_rgb, p_flow, 0.5, "scores")
    torch.testing.assert_close(fused, products / products.sum())
    fused = fuse(p_rgb, p_flow, 1.0, "scores")
    torch.testing.assert_close(fused, products.sqrt() / products.sqrt().sum())
    impossible = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    torch.testing.assert_close(fuse(*impossible, 1.0, "scores"), torch.tensor([0.5, 0.5]))
