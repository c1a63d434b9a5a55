"""Class scores of whole clips, before any softmax: by protocol, number of crops and stream.

Shapes: n clips, C classes, T ticks of a clip, D feature width, N segments of k frames.

Every frame goes through a CNN once for each crop, and through RGB's once for all flows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from engine.arrays import F32
from training.data.augment import standard_crops
from training.data.far_view import far_view
from training.data.frame_store import StoredClip
from training.data.sampling import global_ticks
from training.features import clip_features
from training.model.build import Modality
from training.model.consensus import segment_consensus
from training.model.key_frames import KeyFrameExploration
from training.model.sta_tsn import StaTsn
from training.progress import Progress


class Protocol(NamedTuple):
    """name: `global`, 30 frames spread over the whole clip (the paper's), or `grid`, what a
    stream would say at the clip's last sample, window full or not. crops: of each frame; 1 is the
    centre crop, 10 the paper's. `global, 2 times as far` is `global` on a `far_view`.
    """

    name: str
    crops: int


GRID = Protocol("grid", 1)  # a stream sees the centre crop alone
DISTANCES = (2, 4)  # what `far` adds
RGB = "rgb"  # a key of `Scores` beside the flows' names

Scores = dict[str, F32]  # `rgb`, and each flow by its name -> [n, C]


def clip_scores(
    model: StaTsn,
    clips: Sequence[StoredClip],
    *,
    flows: Sequence[str],
    crops: int = 1,
    far: bool = False,
    sample_every: int = 1,
    side: int,
    precision: str = "fp32",
    progress: Progress,
) -> dict[Protocol, Scores]:
    """The scores of `clips` by `global` and `grid` with one crop and, where `crops` is more, by
    `global` with all of them; with `far` also from each of `DISTANCES`. Segments are averaged, and
    crops too.

    flows: those that the clips are prepared with. sample_every: ticks from one sample of the grid
    to the next.
    """
    model.eval()
    found: dict[Protocol, dict[str, list[F32]]] = {}
    with progress.task("evaluate", len(clips)) as advance:
        for clip in clips:
            for name in (RGB, *flows):
                modality: Modality = "rgb" if name == RGB else "flow"
                bound = clip if name == RGB else clip.with_flow(name)
                scores = _scores_of_stream(
                    model, modality, bound, crops, far, sample_every, side, precision
                )
                for protocol, of_clip in scores.items():
                    found.setdefault(protocol, {}).setdefault(name, []).append(of_clip)
            advance()
    return {
        protocol: {name: np.stack(rows) for name, rows in streams.items()}
        for protocol, streams in found.items()
    }


def grid_ticks(ticks: int, *, segments: int, frames_per_segment: int, sample_every: int) -> range:
    """The ticks that the prediction at a clip's last sample rests on.

    All whole segments that end at it, `segments` at most, or the partial one where none is whole.
    """
    samples = range(0, ticks, sample_every)
    whole = min(len(samples) // frames_per_segment, segments) * frames_per_segment
    return samples[-whole:] if whole else samples


def window_scores(head: KeyFrameExploration, features: F32, frames_per_segment: int) -> F32:
    """Features [crops, t, D] of a window -> class scores [C], the mean of segments and crops.

    t is a number of whole segments, or less than one.
    """
    crops, length, width = features.shape
    inside = min(length, frames_per_segment)
    device = head.classifier.weight.device
    with torch.inference_mode():
        segments = torch.from_numpy(features).to(device).view(crops, -1, inside, width)
        scores, _ = head(segments)  # [crops, n, C]
        return np.asarray(segment_consensus(scores).mean(0).cpu().numpy())


def _scores_of_stream(
    model: StaTsn,
    modality: Modality,
    clip: StoredClip,
    crops: int,
    far: bool,
    sample_every: int,
    side: int,
    precision: str,
) -> dict[Protocol, F32]:
    """One stream's scores [C] of one clip."""
    k = model.frames_per_segment
    stream = getattr(model, modality)
    spread = global_ticks(clip.ticks, model.segments * k)
    newest = grid_ticks(
        clip.ticks, segments=model.segments, frames_per_segment=k, sample_every=sample_every
    )
    of_crops: list[F32] = []  # [N·k, D] each, at `spread`
    for number, crop in enumerate(standard_crops(clip.size, side)[:crops]):
        # A short clip has some of `spread` twice, and the centre crop serves both protocols.
        needed = sorted({*spread, *newest} if number == 0 else set(spread))
        features = clip_features(
            stream, modality, clip, side=side, crop=crop, ticks=needed, precision=precision
        )
        row = {tick: index for index, tick in enumerate(needed)}
        of_crops.append(features[[row[tick] for tick in spread]])
        if number == 0:
            at_end = features[[row[tick] for tick in newest]]
    head = getattr(model, f"{modality}_head")
    found = {
        Protocol("global", 1): window_scores(head, np.stack(of_crops[:1]), k),
        GRID: window_scores(head, at_end[None], k),
    }
    if crops > 1:
        found[Protocol("global", crops)] = window_scores(head, np.stack(of_crops), k)
    for distance in DISTANCES if far else ():
        view = far_view(clip.size, distance)
        features = clip_features(
            stream, modality, clip, side=side, crop=view, ticks=spread, precision=precision
        )
        protocol = Protocol(f"global, {distance} times as far", 1)
        found[protocol] = window_scores(head, features[None], k)
    return found
