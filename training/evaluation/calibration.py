"""Temperature scaling (Guo et al., 2017) of either stream and of the fused probabilities.

A temperature changes how sure a stream is, and so its weight in the fusion; the last one changes
how sure the answer is, and never which answer it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from engine.arrays import F32
from engine.manifest import Fusion
from training.evaluation.clip_scores import RGB, Scores
from training.evaluation.clips import of_streams
from training.evaluation.metrics import Labels, calibration_error, right
from training.evaluation.probabilities import Probabilities, probabilities
from training.evaluation.results import OfStreams
from training.model.consensus import Temperatures

_LOWEST, _HIGHEST = 0.05, 20.0


def fit_temperature(probabilities: Tensor, labels: Tensor) -> float:
    """The T for which softmax(log(p) / T) gives `labels` [n] the highest likelihood.

    probabilities [n, C]: at temperature 1. The likelihood has one maximum over T, so
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


@dataclass(frozen=True, eq=False)
class CalibrationSet:
    """Class scores [n, C] of both streams, and what was true [n].

    One bundle has one set of temperatures for all of its flows, so the predictions with each flow
    are pooled: an example counts once a flow.
    """

    rgb: F32
    flow: F32
    labels: Labels

    @classmethod
    def pool(cls, parts: Sequence[tuple[Scores, Labels]]) -> CalibrationSet:
        """Several sets of examples, with each flow that they have."""
        pairs = [
            (scores, flow, labels) for scores, labels in parts for flow in scores if flow != RGB
        ]
        return cls(
            np.concatenate([scores[RGB] for scores, _, _ in pairs]),
            np.concatenate([scores[flow] for scores, flow, _ in pairs]),
            np.concatenate([labels for _, _, labels in pairs]),
        )

    def probabilities(self, temperatures: Temperatures) -> Probabilities:
        return probabilities(self.rgb, self.flow, temperatures)

    def fit(self, fusion: Fusion = "probabilities") -> Temperatures:
        """First of each stream by itself, then of the fusion of what they give."""
        labels = torch.from_numpy(self.labels)
        plain = self.probabilities(Temperatures())
        streams = Temperatures(
            rgb=fit_temperature(torch.from_numpy(plain.rgb), labels),
            flow=fit_temperature(torch.from_numpy(plain.flow), labels),
            fusion=fusion,
        )
        fused = torch.from_numpy(self.probabilities(streams).fused)
        return replace(streams, fused=fit_temperature(fused, labels))

    def errors(self, temperatures: Temperatures) -> OfStreams:
        """Expected calibration errors."""
        return of_streams(
            lambda p: calibration_error(p, self.labels), self.probabilities(temperatures)
        )

    def right_lost(self, temperatures: Temperatures, threshold: float) -> float:
        """The share of the right answers whose probability lies below `threshold`."""
        fused = self.probabilities(temperatures).fused
        confidence = fused.max(1)[right(fused, self.labels)]
        return float((confidence < threshold).mean()) if len(confidence) else 0.0
