"""The golden vectors of a bundle: what a compiled graph must reproduce, computed in torch.

Shapes: T samples, S input side, p downsampling of the flow, D feature width, C classes, h w rows
and columns of the map.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.arrays import U8
from engine.flow.quantise import ZERO
from training.model.sta_tsn import SpatialStream, StaTsn

EXTRA_SAMPLES = 5  # past the first whole window, so that lanes are cleared and used again
INPUTS = 2  # images kept in the file; of the rest only their features
_AT_ONCE = 8  # images in one forward pass


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Consecutive samples of the grid: uint8 frames [T, S, S, 3], stacks [T, 20, S/p, S/p]."""

    frames: U8
    stacks: U8


def moving_pattern(
    count: int, *, size_px: int, flow_px: int | None = None, flow_channels: int, seed: int = 0
) -> Samples:
    """A drifting, smooth, coloured pattern with noise, and smooth flow: no recording needed.

    flow_px: side of the stacks; that of the frames where None.
    """
    rng = np.random.default_rng(seed)

    def waves(channels: int, side: int, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums of drifting plane waves, about -1..1: [T, channels, side, side]."""
        rows, columns = np.mgrid[0:side, 0:side] / side
        total = np.zeros((len(times), channels, side, side))
        for _ in range(4):
            down, across = rng.uniform(-5, 5, (2, channels, 1, 1))
            drift, phase = rng.uniform(-6, 6, (2, channels, 1, 1))
            moved = down * rows + across * columns + phase  # [channels, side, side]
            total += np.sin(2 * np.pi * (moved + drift * times[:, None, None, None]))
        return total / 2

    times = np.linspace(0, 1, count)
    frames = 128 + 80 * waves(3, size_px, times) + rng.normal(0, 8, (count, 3, size_px, size_px))
    stacks = ZERO + 50 * waves(flow_channels, flow_px or size_px, times)
    return Samples(
        frames=np.clip(frames.transpose(0, 2, 3, 1), 0, 255).astype(np.uint8),
        stacks=np.clip(stacks, 1, 255).astype(np.uint8),
    )


@torch.no_grad()
def stream_outputs(stream: SpatialStream, images: U8) -> tuple[Tensor, Tensor]:
    """Images [T, ...] -> features [T, D] and attention [T, h, w], a few images at a time."""
    parts = [stream(batch) for batch in _batches(images)]
    features, attention = zip(*parts, strict=True)
    return torch.cat(features), torch.cat(attention)


@torch.no_grad()
def golden_vectors(model: StaTsn, samples: Samples) -> dict[str, NDArray[np.generic]]:
    """The arrays of golden.npz, from a model in eval mode with the weights that are shipped."""
    rgb, rgb_attention = stream_outputs(model.rgb, samples.frames)
    flow, flow_attention = stream_outputs(model.flow, samples.stacks)
    predictions = model.rolling_probabilities(rgb, flow)
    return {
        "rgb_input": samples.frames[:INPUTS],
        "flow_input": samples.stacks[:INPUTS],
        "rgb_features": rgb[:INPUTS].numpy(),
        "flow_features": flow[:INPUTS].numpy(),
        "rgb_attention": rgb_attention[:INPUTS].numpy(),
        "flow_attention": flow_attention[:INPUTS].numpy(),
        "window_rgb": rgb.numpy(),
        "window_flow": flow.numpy(),
        "window_probabilities": predictions.probabilities.numpy(),
    }


def _batches(images: U8) -> Iterator[Tensor]:
    for start in range(0, len(images), _AT_ONCE):
        yield torch.from_numpy(images[start : start + _AT_ONCE])
