"""Frame features of whole clips from a frozen stream: computed once, kept beside the run.

Shapes: T ticks of a clip, D feature width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from engine.arrays import F32
from training.data.augment import Crop, random_crop, standard_crops
from training.data.frame_store import StoredClip
from training.model.build import Modality
from training.model.sta_tsn import SpatialStream
from training.progress import Progress

_BATCH = 16  # images; more of them only leave the cache

MODALITIES: tuple[Modality, ...] = ("rgb", "flow")

Features = dict[str, F32]  # clip key -> [T, D]


def clip_features(
    stream: SpatialStream,
    modality: Modality,
    clip: StoredClip,
    *,
    side: int,
    crop: Crop | None = None,
    ticks: Sequence[int] | None = None,
    precision: str = "fp32",
) -> F32:
    """[T, D]: the feature of each tick of `ticks` (all of them where None), of one crop.

    crop: the centre crop where None, as a stream is scored.
    """
    chosen = list(range(clip.ticks)) if ticks is None else list(ticks)
    if crop is None:
        crop = standard_crops(clip.size, side)[0]
    parts = []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        for start in range(0, len(chosen), _BATCH):
            part = chosen[start : start + _BATCH]
            if modality == "rgb":
                images = crop.frames(clip.frames_at(part), side)
            else:
                images = crop.stacks(clip.stacks_at(part), side)
            features, _ = stream(torch.from_numpy(images))
            parts.append(features.float().numpy())
    return np.concatenate(parts)


def view_features(
    stream: SpatialStream,
    modality: Modality,
    clips: Sequence[StoredClip],
    *,
    view: int,
    side: int,
    seed: int,
    precision: str,
    advance: Callable[[], None],
) -> Features:
    """One view of every clip: view 0 is the centre crop, the others are random crops and flips."""
    found: Features = {}
    for number, clip in enumerate(clips):
        crop = None
        if view > 0:
            crop = random_crop(clip.size, np.random.default_rng((seed, view, number)))
        found[clip.key] = clip_features(
            stream, modality, clip, side=side, crop=crop, precision=precision
        )
        advance()
    return found


def cached_features(
    stream: SpatialStream,
    modality: Modality,
    clips: Sequence[StoredClip],
    *,
    views: int,
    side: int,
    seed: int,
    precision: str,
    folder: Path,
    name: str,
    progress: Progress,
) -> list[Features]:
    """`views` views of `clips`, each read from `folder` where it lies there from before.

    The file's name has a digest of the stream's weights, so features of older ones aren't taken.
    """
    digest = digest_of(stream)
    found: list[Features] = []
    for view in range(views):
        path = folder / f"{modality}_{name}_view{view}_{digest}.npz"
        if not path.is_file():
            with progress.task(f"{modality} features of {name}, view {view}", len(clips)) as step:
                fresh = view_features(
                    stream,
                    modality,
                    clips,
                    view=view,
                    side=side,
                    seed=seed,
                    precision=precision,
                    advance=step,
                )
            # fp16: half the room, and far finer than what training on them can tell apart.
            small: dict[str, Any] = {key: value.astype(np.float16) for key, value in fresh.items()}
            with _written(path) as part:
                np.savez(part, **small)
        with np.load(path) as arrays:
            found.append({key: arrays[key].astype(np.float32) for key in arrays.files})
    return found


def digest_of(module: nn.Module) -> str:
    """A short name for the weights of a stream, or of another module."""
    digest = hashlib.sha256()
    for value in module.state_dict().values():
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


@contextmanager
def _written(path: Path) -> Iterator[Path]:
    """A path to write to that becomes `path` when the writing is over."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    yield part
    part.replace(path)
