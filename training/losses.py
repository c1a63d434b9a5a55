"""The second stage's loss: cross-entropy and the temporal-attention regularisation.

Shapes: B clips, N segments, k frames per segment, C classes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor


class Loss(NamedTuple):
    """Equation (14): total = cross_entropy + regularisation."""

    total: Tensor
    cross_entropy: Tensor
    regularisation: Tensor


def temporal_attention_regularisation(beta: Tensor, false: Tensor) -> Tensor:
    """l_MSE, equations (12) and (13): attention on frames that don't show the action, squared.

    beta [B, N, k]: temporal attention. false [B, N, k]: frames that their class's binary
    classifier judges false. For each clip the mean over its M false frames (0 where M = 0), then
    the mean over clips.
    """
    squares = beta.square() * false  # [B, N, k]: (13), beta where false, else 0
    count = false.sum((1, 2))  # M: [B]
    return (squares.sum((1, 2)) / count.clamp_min(1)).mean()


def stage2_loss(
    scores: Tensor, labels: Tensor, beta: Tensor, false: Tensor, *, label_smoothing: float = 0.0
) -> Loss:
    """scores [B, C]: class scores after the segment consensus; labels [B].

    label_smoothing: 0 is the paper; what the first stage used keeps its classifier's confidence.
    """
    cross_entropy = F.cross_entropy(scores, labels, label_smoothing=label_smoothing)
    regularisation = temporal_attention_regularisation(beta, false)
    return Loss(cross_entropy + regularisation, cross_entropy, regularisation)
