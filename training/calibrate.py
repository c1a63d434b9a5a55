"""Temperature scaling (Guo et al., 2017) of the fused probabilities, on streams held out for it.

One temperature: it changes how sure an answer is, and never which answer it is.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_LOWEST, _HIGHEST = 0.05, 20.0


def fit_temperature(probabilities: Tensor, labels: Tensor) -> float:
    """The T for which softmax(log(p) / T) gives `labels` [n] the highest likelihood.

    probabilities [n, C]: the mean of both streams'. The likelihood has one maximum over T, so
    golden-section search over log T finds it; the answer stays within 0.05 .. 20.
    """
    logits = probabilities.double().clamp_min(1e-12).log()

    def loss(log_temperature: float) -> float:
        scaled = logits / math.exp(log_temperature)
        return torch.nn.functional.cross_entropy(scaled, labels).item()

    low, high = math.log(_LOWEST), math.log(_HIGHEST)
    ratio = (math.sqrt(5) - 1) / 2
    while high - low > 1e-4:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)
