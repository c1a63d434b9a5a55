"""Multi-scale spatial focus feature enhancement: equations (3) to (7) of the paper.

Shapes: B batch, D feature width, H rows = columns of the last convolutional map,
n bins a side of one pyramid level.

    A [B,D,H,H] ─ SPP ─ 1x1 convolution ─ softmax ─► alpha [B,H,H]
    A ─ · (gain · alpha) ─ + A ─ GAP ─► F [B,D]
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PYRAMID_BINS = (1, 3, 5, 7)


def pooling_of(side: int, bins: int) -> tuple[int, int] | None:
    """(kernel, stride) of the max pooling that makes exactly `bins` bins from `side` positions.

    None where the level is the map itself (bins >= side). The paper gives bins only; its
    reference for SPP rounds the kernel up, which makes 6 bins of 7 positions for 5. Here the
    stride is rounded down, and the kernel takes what is left.
    """
    if bins >= side:
        return None
    stride = side // bins
    return side - (bins - 1) * stride, stride


def nearest_indices(bins: int, side: int) -> list[int]:
    """For each of `side` positions the bin whose centre is nearest (half-pixel centres)."""
    return [(2 * position + 1) * bins // (2 * side) for position in range(side)]


class SpatialAttention(nn.Module):
    """Map [B, D, H, H] -> (features [B, D], attention [B, H, H] that sums to 1).

    The paper concatenates the levels on channels, 4D, before one 1x1 convolution. That
    convolution is a sum over levels and commutes with nearest upsampling, so each level is
    convolved to one channel at its own small size first: the same numbers for far less work.

    The level of one bin and the bias add a constant to every position, which softmax cancels.
    They are kept, as in (5), and never receive a gradient.

    Args:
        width: D.
        gain: multiplies alpha in (6). 1 is the paper; since alpha sums to 1 it then adds only
            1 / (H·H) of an attention-weighted mean. H·H adds the whole of it.
    """

    def __init__(self, *, width: int, gain: float = 1.0) -> None:
        super().__init__()
        if gain < 0:
            raise ValueError(f"gain must not be negative, instead got {gain}")
        self.gain = gain
        self.levels = nn.ModuleList(nn.Conv2d(width, 1, 1, bias=False) for _ in PYRAMID_BINS)
        self.bias = nn.Parameter(torch.zeros(1))
        bound = 1.0 / math.sqrt(len(PYRAMID_BINS) * width)  # a 1x1 convolution over 4D channels
        for level in self.parameters():
            nn.init.uniform_(level, -bound, bound)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        side = int(maps.shape[-1])
        if int(maps.shape[-2]) != side:
            raise ValueError(
                f"the map must be square, instead got {tuple(maps.shape[-2:])}: crop the input"
            )
        logits = self.bias.view(1, 1, 1, 1)  # (5), summed level by level
        for bins, convolution in zip(PYRAMID_BINS, self.levels, strict=True):
            pooling = pooling_of(side, bins)
            level = maps if pooling is None else F.max_pool2d(maps, *pooling)  # [B, D, n, n]
            scores = convolution(level)  # [B, 1, n, n]
            if pooling is not None:
                nearest = torch.tensor(nearest_indices(bins, side), device=maps.device)
                scores = scores.index_select(2, nearest).index_select(3, nearest)
            logits = logits + scores  # [B, 1, H, H]
        alpha = logits.flatten(1).softmax(dim=1)  # (4): [B, H·H]
        alpha = alpha.view(-1, side, side)  # [B, H, H]
        focused = self.gain * alpha.unsqueeze(1) * maps  # (6): f_SF [B, D, H, H]
        features = (focused + maps).mean(dim=(2, 3))  # (7): [B, D]
        return features, alpha


class PlainPooling(nn.Module):
    """The baseline without attention: global average pooling, and an even attention map."""

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        even = torch.ones_like(maps[:, 0]) / (maps.shape[-1] * maps.shape[-2])  # [B, H, H]
        return maps.mean(dim=(2, 3)), even
