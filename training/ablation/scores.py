"""Scores of test clips by the paper's protocol, with and without a second stage.

Shapes: V crops, N segments, k frames per segment, D feature width, C classes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from engine.arrays import F32
from training.data.augment import standard_crops
from training.data.frame_store import StoredClip
from training.data.sampling import global_ticks
from training.errors import OutputError
from training.features import clip_features
from training.frozen import FrozenStream
from training.model.build import Modality
from training.model.key_frames import KeyFrameExploration
from training.model.sta_tsn import SpatialStream
from training.progress import Progress

Head = nn.Linear | KeyFrameExploration  # of the first stage, or of the second


def clip_scores(head: Head, features: Tensor, *, segments: int) -> Tensor:
    """Features [V, N·k, D] of a clip -> class scores [C].

    A first stage scores each frame, a second each segment; the mean over them and over the
    crops comes before any softmax.
    """
    if isinstance(head, KeyFrameExploration):
        crops, _, width = features.shape
        scores, _ = head(features.view(crops, segments, -1, width))  # [V, N, C]
    else:
        scores = head(features)  # [V, N·k, C]
    return cast(Tensor, scores.mean(dim=(0, 1)))


def crop_features(
    stream: SpatialStream | FrozenStream,
    modality: Modality,
    clip: StoredClip,
    *,
    window: int,
    side: int,
    crops: int,
    precision: str = "fp32",
) -> F32:
    """[V, N·k, D]: features of `window` frames spread over a clip, of the first `crops` crops."""
    ticks = global_ticks(clip.ticks, window)
    return np.stack(
        [
            clip_features(
                stream, modality, clip, side=side, crop=crop, ticks=ticks, precision=precision
            )
            for crop in standard_crops(clip.size, side)[:crops]
        ]
    )


def all_kept(clips: Sequence[StoredClip], folder: Path) -> bool:
    """Whether `keep_features` has nothing left to do."""
    return all(_path(folder, clip).is_file() for clip in clips)


def keep_features(
    stream: SpatialStream | FrozenStream,
    modality: Modality,
    clips: Sequence[StoredClip],
    folder: Path,
    *,
    window: int,
    side: int,
    crops: int,
    precision: str,
    progress: Progress,
) -> None:
    """Write the `crop_features` of every clip to FOLDER/KEY.npy, unless they are there.

    Raises OutputError where they can't be written.
    """
    missing = [clip for clip in clips if not _path(folder, clip).is_file()]
    with progress.task(f"{modality} features, {crops} crops", len(missing)) as advance:
        for clip in missing:
            found = crop_features(
                stream,
                modality,
                clip,
                window=window,
                side=side,
                crops=crops,
                precision=precision,
            )
            path = _path(folder, clip)
            part = path.with_suffix(".part")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with part.open("wb") as file:
                    np.save(file, found.astype(np.float16))  # as the second stage's are kept
                os.replace(part, path)
            except OSError as error:
                raise OutputError(
                    f"{path} can't be written ({error.strerror}): free some space and run again; "
                    "what is done is kept."
                ) from error
            advance()


def scores_of(head: Head, clips: Sequence[StoredClip], folder: Path, *, segments: int) -> F32:
    """Class scores [n, C] of `clips`, from the features kept in `folder`."""
    head.cpu().eval()  # small beside what made the features
    rows = []
    with torch.inference_mode():
        for clip in clips:
            kept = np.load(_path(folder, clip)).astype(np.float32)
            rows.append(clip_scores(head, torch.from_numpy(kept), segments=segments).numpy())
    return np.stack(rows)


def _path(folder: Path, clip: StoredClip) -> Path:
    return folder / f"{clip.key}.npy"
