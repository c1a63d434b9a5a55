"""What a model attends to in a clip, for a picture of it.

Shapes: N segments, k frames per segment, S crop side in px, h w rows and columns of a map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from engine.arrays import F32
from training.data.augment import standard_crops
from training.data.footage import images_of
from training.data.frame_store import StoredClip
from training.data.sampling import global_ticks
from training.features import MODALITIES
from training.model.consensus import segment_consensus
from training.model.sta_tsn import StaTsn
from training.report.pictures.attention import Explained


@dataclass(frozen=True)
class Explanation:
    """A clip, what it shows, what the model says it shows, and how sure it is (0..1)."""

    clip: StoredClip
    predicted: str
    confidence: float
    seen: Explained


def explain(model: StaTsn, clip: StoredClip, classes: Sequence[str], *, side: int) -> Explanation:
    """The prediction of N·k frames spread over a clip, centre crop, and what it went by."""
    model.eval()
    ticks = global_ticks(clip.ticks, model.segments * model.frames_per_segment)
    crop = standard_crops(clip.size, side)[0]
    images = {each: images_of(clip, each, ticks, crop, side=side) for each in MODALITIES}
    scores: dict[str, torch.Tensor] = {}
    spatial: dict[str, F32] = {}
    temporal: dict[str, F32] = {}
    with torch.inference_mode():
        for modality in MODALITIES:
            features, attention = getattr(model, modality)(torch.from_numpy(images[modality]))
            windows = features.view(1, model.segments, model.frames_per_segment, -1)
            of_segments, beta = getattr(model, f"{modality}_head")(windows)
            scores[modality] = segment_consensus(of_segments)  # [1, C]
            spatial[modality] = attention.float().numpy()  # [N·k, h, w]
            temporal[modality] = beta[0].numpy()  # [N, k]
        found = model.predict(scores["rgb"], scores["flow"], torch.zeros(1, 0)).probabilities[0]
    best = int(found.argmax())
    seen = Explained(images["rgb"], tuple(ticks), spatial, temporal)
    return Explanation(clip, classes[best], float(found[best]), seen)


def drawn_clips(clips: Sequence[StoredClip], count: int, *, seed: int = 0) -> list[StoredClip]:
    """`count` clips at random, and not for their looks; no class twice while others are left."""
    order = np.random.default_rng(seed).permutation(len(clips))
    chosen: list[StoredClip] = []
    left = [clips[index] for index in order]
    while left and len(chosen) < count:
        shown: set[str] = set()
        rest = []
        for clip in left:
            if clip.label in shown:
                rest.append(clip)
            else:
                shown.add(clip.label)
                chosen.append(clip)
        left = rest
    return chosen[:count]
