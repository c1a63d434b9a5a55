"""Accuracy of a whole model on labelled clips, by both protocols, for both streams and each alone.

`global`: 30 frames spread over the whole clip, centre crop (the paper's, with one crop).
`grid`: what a stream would say at the clip's last sample, window full or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.data.frame_store import StoredClip
from training.data.sampling import global_ticks
from training.features import clip_features
from training.metrics import accuracy, calibration_error, class_accuracy, confused_most, confusion
from training.model.consensus import segment_consensus
from training.model.sta_tsn import Predictions, StaTsn
from training.progress import Progress

PROTOCOLS = ("global", "grid")
_MISTAKES = 12  # in a report


def evaluate(
    model: StaTsn,
    clips: Sequence[StoredClip],
    classes: Sequence[str],
    *,
    side: int,
    precision: str = "fp32",
    progress: Progress,
) -> dict[str, Any]:
    """A report: accuracies by protocol and streams; per class and mistakes for both streams."""
    model.eval()
    number = {label: index for index, label in enumerate(classes)}
    labels = np.array([number[clip.label] for clip in clips])
    found: dict[str, list[Predictions]] = {protocol: [] for protocol in PROTOCOLS}
    with progress.task("evaluate", len(clips)) as advance:
        for clip in clips:
            rgb = clip_features(model.rgb, "rgb", clip, side=side, precision=precision)
            flow = clip_features(model.flow, "flow", clip, side=side, precision=precision)
            both = torch.from_numpy(rgb), torch.from_numpy(flow)  # [T, D] each
            with torch.inference_mode():
                found["global"].append(global_prediction(model, *both))
                found["grid"].append(last_prediction(model, *both))
            advance()
    report: dict[str, Any] = {}
    for protocol, predictions in found.items():
        report[protocol] = summary(predictions, labels, tuple(classes))
    return report


def global_prediction(model: StaTsn, rgb: Tensor, flow: Tensor) -> Predictions:
    """Features [T, D] of all ticks of a clip -> the prediction of the `global` protocol (B = 1)."""
    window = model.segments * model.frames_per_segment
    ticks = global_ticks(len(rgb), window)
    return window_prediction(model, rgb[ticks], flow[ticks])


def window_prediction(model: StaTsn, rgb: Tensor, flow: Tensor) -> Predictions:
    """Features [N·k, D] of one whole window -> its prediction (B = 1)."""
    shape = (1, model.segments, model.frames_per_segment, rgb.shape[1])
    rgb_scores, rgb_beta = model.rgb_head(rgb.reshape(shape))
    flow_scores, flow_beta = model.flow_head(flow.reshape(shape))
    beta = (rgb_beta + flow_beta).flatten(1) / 2
    return model.predict(segment_consensus(rgb_scores), segment_consensus(flow_scores), beta)


def last_prediction(model: StaTsn, rgb: Tensor, flow: Tensor) -> Predictions:
    """Features [T, D] -> what a stream says at the last sample (B = 1)."""
    # Samples older than the window have no say, and a window that is full stays so without them.
    window = model.segments * model.frames_per_segment
    rolling = model.rolling_probabilities(rgb[-window:], flow[-window:])
    return Predictions(*(part[-1:] for part in rolling))


def summary(
    predictions: Sequence[Predictions], labels: np.ndarray[Any, Any], classes: tuple[str, ...]
) -> dict[str, Any]:
    """Accuracies of fused and single streams; classes, mistakes and calibration of the fused."""
    fused, rgb, flow = (
        torch.cat([getattr(each, name) for each in predictions]).numpy()  # [n, C]
        for name in ("probabilities", "p_rgb", "p_flow")
    )
    table = confusion(fused, labels)
    per_class: Mapping[str, float | None] = dict(zip(classes, class_accuracy(table), strict=True))
    return {
        "count": len(labels),
        "accuracy": {
            "rgb+flow": accuracy(fused, labels),
            "rgb": accuracy(rgb, labels),
            "flow": accuracy(flow, labels),
        },
        "classes": per_class,
        "mistakes": confused_most(table, classes, _MISTAKES),
        "calibration_error": calibration_error(fused, labels),
        "mean_confidence": float(fused.max(1).mean()),
    }
