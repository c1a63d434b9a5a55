"""Segment consensus and the fusion of the two streams, from scores to probabilities.

Shapes: T samples, N segments, k frames per segment, D feature width, C classes, B batch.

This is the plain, segment-by-segment form. It shares nothing with the lanes that the daemon
runs, so that one can be held against the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.manifest import Fusion
from training.model.key_frames import KeyFrameExploration


@dataclass(frozen=True, kw_only=True)
class Temperatures:
    """Calibration of each stream and of the fused result; 1 everywhere is the paper.

    fusion: what `fuse` averages.
    """

    rgb: float = 1.0
    flow: float = 1.0
    fused: float = 1.0
    fusion: Fusion = "probabilities"

    @property
    def untempered(self) -> Temperatures:
        """The same fusion, with every temperature 1."""
        return Temperatures(fusion=self.fusion)


def segment_consensus(scores: Tensor) -> Tensor:
    """Segment scores [..., N, C] -> [..., C]: their mean, before any softmax."""
    return scores.mean(dim=-2)


def stream_probabilities(scores: Tensor, temperature: float = 1.0) -> Tensor:
    """Class scores [..., C] of one stream -> probabilities [..., C]."""
    return (scores / temperature).softmax(dim=-1)


def fuse(
    p_rgb: Tensor,
    p_flow: Tensor,
    temperature: float = 1.0,
    fusion: Fusion = "probabilities",
) -> Tensor:
    """Both streams' probabilities [..., C] -> the fused ones; at temperature 1 their mean.

    fusion: "scores" takes the mean of their logarithms instead, which are the scores but for a
    constant: TSN's fusion (Wang et al., 2016, section 3.3).
    """
    if fusion == "scores":
        tiny = torch.finfo(p_rgb.dtype).tiny  # keeps log finite, as in the engine
        logits = (p_rgb.clamp_min(tiny).log() + p_flow.clamp_min(tiny).log()) / 2
    else:
        logits = ((p_rgb + p_flow) / 2).log()
    return (logits / temperature).softmax(dim=-1)


def rolling_scores(
    head: KeyFrameExploration, features: Tensor, *, segments: int, frames_per_segment: int
) -> tuple[Tensor, Tensor]:
    """What the stream should say at each sample: features [T, D] -> (scores [T, C], beta [T, N·k]).

    At sample t the scores are the mean over the whole segments that end at t, t - k, t - 2k, ...
    (at most N of them, as many as there are); before the first whole one, the partial segment
    that began at sample 0. beta is oldest first and ends at t; where the window is not yet
    full, its missing front is 0.
    """
    k, window = frames_per_segment, segments * frames_per_segment
    betas = features.new_zeros(len(features), window)
    scores = []
    for t in range(len(features)):
        if t < k - 1:
            part, beta = head(features[None, None, : t + 1])  # [1, 1, C], [1, 1, t + 1]
        else:
            count = min((t + 1) // k, segments)
            recent = features[t + 1 - count * k : t + 1]  # [count·k, D]
            part, beta = head(recent.view(1, count, k, -1))  # [1, count, C], [1, count, k]
        scores.append(segment_consensus(part)[0])  # [C]
        betas[t, window - beta.numel() :] = beta.flatten()
    return torch.stack(scores), betas
