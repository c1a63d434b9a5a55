"""The windows of a clip: what a stream that showed it would be asked about.

Shapes: T samples of a clip, N segments, k frames per segment, n whole segments of t samples (or
one partial), D feature width, C classes, w windows of a clip.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from training.model.key_frames import KeyFrameExploration

MOST = 5  # windows that a clip is scored with; a long one gives that many, spread over it


def window_ends(
    samples: int, segments: int, frames_per_segment: int, most: int = MOST
) -> list[int]:
    """The last samples of a clip's windows, oldest first: the clip's own last sample, and others
    a segment apart as long as their windows are whole; of more than `most`, an even choice."""
    window = segments * frames_per_segment
    ends = list(range(samples - 1, window - 2, -frames_per_segment))[::-1] or [samples - 1]
    if len(ends) > most:
        ends = [ends[place] for place in np.linspace(0, len(ends) - 1, most).round().astype(int)]
    return ends


def windows_of(features: Tensor, segments: int, frames_per_segment: int) -> Tensor:
    """Features [T, D] of a clip -> its windows [w, n, t, D].

    As `consensus.rolling_scores` scores them: n is N, or the number of whole segments in a clip
    shorter than a window, or 1 with t < k in one shorter than a segment.
    """
    k = frames_per_segment
    count = min(len(features) // k, segments)
    if count == 0:
        return features[None, None]
    ends = window_ends(len(features), segments, k)
    return torch.stack([features[end + 1 - count * k : end + 1].view(count, k, -1) for end in ends])


@torch.no_grad()
def window_vectors(head: KeyFrameExploration, windows: Tensor) -> Tensor:
    """Windows [w, n, t, D] -> [w, D]: the features as the head's attention weighs them.

    The classifier is linear, so the scores of a window are its scores of this vector.
    """
    _, beta = head(windows)  # [w, n, t]
    vectors: Tensor = (beta.unsqueeze(-1) * windows).sum(2)  # (11): [w, n, D]
    return vectors.mean(1)


@torch.no_grad()
def window_scores(
    head: KeyFrameExploration, features: Tensor, segments: int, frames_per_segment: int
) -> Tensor:
    """Features [T, D] of a clip -> the scores [w, C] of its windows."""
    vectors = window_vectors(head, windows_of(features, segments, frames_per_segment))
    scores: Tensor = head.classifier(vectors)
    return scores
