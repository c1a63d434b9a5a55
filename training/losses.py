"""The losses of both stages: cross-entropy of clips, blended or not, and the paper's
temporal-attention regularisation.

Shapes: B clips, N segments (of which the first stage has one image each), k frames per segment,
C classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training.model.consensus import segment_consensus


class Blend(NamedTuple):
    """How mixup (Zhang et al., 2018) blends the clips of a batch.

    Clip i becomes part[i] of itself and 1 - part[i] of clip partner[i].
    """

    partner: Tensor  # int64 [B]
    part: Tensor  # [B], 0.5 .. 1: a clip is never mostly its partner

    def images(self, images: Tensor) -> Tensor:
        """uint8 [B, ...] -> float [B, ...] on the same 0..255 scale."""
        part = self.part.view(-1, *[1] * (images.dim() - 1))
        return part * images + (1 - part) * images[self.partner]


def random_blend(
    count: int, alpha: float, rng: np.random.Generator, device: torch.device | None = None
) -> Blend:
    """A partner and a part from Beta(alpha, alpha) for each of `count` clips."""
    part = rng.beta(alpha, alpha, count).astype(np.float32)
    partner = torch.from_numpy(rng.permutation(count))
    return Blend(partner.to(device), torch.from_numpy(np.maximum(part, 1 - part)).to(device))


def stage1_loss(
    scores: Tensor, labels: Tensor, *, label_smoothing: float = 0.0, blend: Blend | None = None
) -> Tensor:
    """Cross-entropy of scores [B, C], summed over the batch; of blended clips for both labels."""
    own = F.cross_entropy(scores, labels, label_smoothing=label_smoothing, reduction="none")
    if blend is None:
        return own.sum()
    other = F.cross_entropy(
        scores, labels[blend.partner], label_smoothing=label_smoothing, reduction="none"
    )
    return (blend.part * own + (1 - blend.part) * other).sum()


def clips_loss(
    scores: Tensor,
    labels: Tensor,
    *,
    consensus: bool,
    label_smoothing: float = 0.0,
    blend: Blend | None = None,
) -> Tensor:
    """The first stage's loss of clips by the scores [B, N, C] of N images each, summed over clips.

    consensus: the loss of the images' mean scores (TSN); else the mean of each image's own loss.
    """
    judged = (segment_consensus(scores),) if consensus else scores.unbind(1)  # [B, C] each
    losses = [
        stage1_loss(each, labels, label_smoothing=label_smoothing, blend=blend) for each in judged
    ]
    return torch.stack(losses).mean()


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
