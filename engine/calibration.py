"""From scores to probabilities: temperatures, the fusion of the streams, entropy, abstention.

    per stream  p_s = softmax(P_s / T_s)
    fused       p = softmax(log(mean of p_s) / T_f)     (all T = 1: the paper's mean)
    or, where a bundle's `fusion` is "scores", as TSN (Wang et al., 2016) fuses its streams,
                p = softmax(mean of log(p_s) / T_f)
    RGB alone   p = p_rgb, whose temperature was fitted for it by itself

Everything is computed in float64 and returned in float32, so that nothing is lost on the way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.arrays import F32
from engine.manifest import Calibration

_TINY = np.finfo(np.float64).tiny  # keeps log finite where a probability has underflowed


@dataclass(frozen=True)
class Probabilities:
    """What scores [..., C] of each stream come to. entropy: [...] of `fused`, in nats."""

    rgb: F32
    flow: F32
    fused: F32
    entropy: NDArray[np.float64]


def softmax(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Over the last axis."""
    weights = np.exp(np.float64(scores) - np.max(scores, axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def fuse(rgb: F32, flow: F32, calibration: Calibration) -> Probabilities:
    """Scores [..., C] of both streams -> probabilities."""
    p_rgb = softmax(rgb / calibration.rgb)
    p_flow = softmax(flow / calibration.flow)
    if calibration.fusion == "scores":
        logits = (_log(p_rgb) + _log(p_flow)) / 2
    else:
        logits = _log((p_rgb + p_flow) / 2)
    fused = softmax(logits / calibration.fused)
    return Probabilities(
        rgb=p_rgb.astype(np.float32),
        flow=p_flow.astype(np.float32),
        fused=fused.astype(np.float32),
        entropy=_entropy(fused),
    )


def rgb_alone(rgb: F32, calibration: Calibration) -> tuple[F32, NDArray[np.float64]]:
    """Scores [..., C] of the RGB stream -> its probabilities where there is no flow, their
    entropies [...].
    """
    p_rgb = softmax(rgb / calibration.rgb)
    return p_rgb.astype(np.float32), _entropy(p_rgb)


def _entropy(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(-np.sum(probabilities * _log(probabilities), axis=-1))


def _log(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log(np.maximum(probabilities, _TINY)))


def abstains(fused: F32, below: float) -> bool:
    """Whether the best of probabilities [C] is too low for an answer."""
    return bool(fused.max() < below)
