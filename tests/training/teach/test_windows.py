"""The windows of a clip are those that a stream scores."""

import pytest
import torch

from training.model.consensus import rolling_scores
from training.model.key_frames import KeyFrameExploration
from training.teach.windows import window_ends, window_scores


def test_ends_by_hand() -> None:
    assert window_ends(53, 3, 10) == [32, 42, 52]
    assert window_ends(30, 3, 10) == [29]
    assert window_ends(29, 3, 10) == [28]  # not full: what the stream says at the end
    assert window_ends(4, 3, 10) == [3]
    many = window_ends(1000, 3, 10)
    assert (len(many), many[0], many[-1]) == (5, 29, 999)


@pytest.mark.parametrize("samples", [1, 4, 10, 19, 27, 30, 53, 100])
def test_scores_are_the_streams_at_those_samples(samples: int) -> None:
    torch.manual_seed(0)
    head = KeyFrameExploration(width=6, hidden=5, classes=4).eval()
    features = torch.randn(samples, 6)
    with torch.no_grad():
        rolling, _ = rolling_scores(head, features, segments=3, frames_per_segment=10)
    expected = rolling[window_ends(samples, 3, 10)]
    torch.testing.assert_close(window_scores(head, features, 3, 10), expected, atol=1e-5, rtol=0)
