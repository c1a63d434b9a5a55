"""From class scores to calibrated probabilities, for arrays: the model's own functions."""

from __future__ import annotations

from typing import NamedTuple

import torch

from engine.arrays import F32
from training.model.consensus import Temperatures, fuse, stream_probabilities


class Probabilities(NamedTuple):
    """[n, C] each: of the fused prediction, and of either stream by itself."""

    fused: F32
    rgb: F32
    flow: F32


def probabilities(rgb: F32, flow: F32, temperatures: Temperatures) -> Probabilities:
    """Class scores [n, C] of both streams -> probabilities."""
    p_rgb = stream_probabilities(torch.from_numpy(rgb), temperatures.rgb)
    p_flow = stream_probabilities(torch.from_numpy(flow), temperatures.flow)
    fused = fuse(p_rgb, p_flow, temperatures.fused, temperatures.fusion)
    return Probabilities(fused.numpy(), p_rgb.numpy(), p_flow.numpy())
