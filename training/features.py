"""Frame features of whole clips from a frozen stream: computed once, kept beside the run.

Shapes: T ticks of a clip, D feature width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from engine.arrays import F32, U8
from training.data.augment import random_crop, standard_crops
from training.data.footage import Footage, View, images_of
from training.data.frame_store import StoredClip
from training.data.prefetch import prefetched
from training.device import autocast
from training.errors import OutputError
from training.frozen import FrozenStream
from training.model.build import Modality
from training.model.sta_tsn import SpatialStream
from training.progress import Progress

_BATCH = 16  # images; more of them only leave a CPU's cache
_BATCH_OF_GPU = 128

MODALITIES: tuple[Modality, ...] = ("rgb", "flow")

Features = dict[str, F32]  # clip key -> [T, D]


def clip_features(
    stream: SpatialStream | FrozenStream,
    modality: Modality,
    clip: Footage,
    *,
    side: int,
    crop: View | None = None,
    ticks: Sequence[int] | None = None,
    precision: str = "fp32",
) -> F32:
    """[T, D]: the feature of each tick of `ticks` (all of them where None), of one crop.

    Computed on the device that `stream` is on. crop: the centre crop where None, as a stream is
    scored.
    """
    chosen = range(clip.ticks) if ticks is None else ticks
    looked_at = _Look(clip, crop or standard_crops(clip.size, side)[0])
    parts = [
        _features(stream, looked_at.images(modality, part, side), precision)
        for part in _parts(chosen, stream.device)
    ]
    return np.concatenate(parts)


def view_features(
    stream: SpatialStream | FrozenStream,
    modality: Modality,
    clips: Sequence[StoredClip],
    *,
    view: int,
    side: int,
    seed: int,
    precision: str,
    advance: Callable[[], None],
    threads: int = 0,
) -> Features:
    """One view of every clip: view 0 is the centre crop, the others are random crops and flips.

    threads: that get the images of later clips ready meanwhile.
    """
    looks = [
        _Look(clip, standard_crops(clip.size, side)[0])
        if view == 0
        else _Look(clip, random_crop(clip.size, np.random.default_rng((seed, view, number))))
        for number, clip in enumerate(clips)
    ]
    jobs = [
        (clip, look, part)
        for clip, look in zip(clips, looks, strict=True)
        for part in _parts(range(clip.ticks), stream.device)
    ]

    def images(job: tuple[StoredClip, _Look, Sequence[int]]) -> tuple[StoredClip, U8]:
        clip, look, part = job
        return clip, look.images(modality, part, side)

    found: dict[str, list[F32]] = {clip.key: [] for clip in clips}
    last = None
    for clip, some in prefetched(images, jobs, threads):
        found[clip.key].append(_features(stream, some, precision))
        if clip is not last:
            advance()
        last = clip
    return {key: np.concatenate(parts) for key, parts in found.items()}


@dataclass(frozen=True)
class _Look:
    """A clip, and where it is looked at."""

    clip: Footage
    crop: View

    def images(self, modality: Modality, ticks: Sequence[int], side: int) -> U8:
        return images_of(self.clip, modality, ticks, self.crop, side=side)


def _parts(ticks: Sequence[int], device: torch.device) -> list[Sequence[int]]:
    """`ticks` in as many at a time as suit a device."""
    size = _BATCH if device.type == "cpu" else _BATCH_OF_GPU
    return [ticks[start : start + size] for start in range(0, len(ticks), size)]


def _features(stream: SpatialStream | FrozenStream, images: U8, precision: str) -> F32:
    """[n, ...] -> [n, D]."""
    device = stream.device
    with torch.inference_mode(), autocast(device, precision):
        features, _ = stream(torch.from_numpy(images).to(device))
    return cast(F32, features.float().cpu().numpy())


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
    threads: int = 0,
) -> list[Features]:
    """`views` views of `clips`, each read from `folder` where it lies there from before.

    The file's name has a digest of all that its features follow from, so that those of older
    weights, of another side or of fewer clips aren't taken.
    """
    made_of = (digest_of(stream), side, precision, [clip.key for clip in clips])
    found: list[Features] = []
    paths = [
        # The centre crop, view 0, is not drawn.
        folder / f"{modality}_{name}_view{view}_{digest((made_of, seed if view else None))}.npz"
        for view in range(views)
    ]
    computes: SpatialStream | FrozenStream = stream
    if stream.device.type == "cpu" and not all(path.is_file() for path in paths):
        computes = FrozenStream(stream, precision=precision)
    for view, path in enumerate(paths):
        if not path.is_file():
            with progress.task(f"{modality} features of {name}, view {view}", len(clips)) as step:
                fresh = view_features(
                    computes,
                    modality,
                    clips,
                    view=view,
                    side=side,
                    seed=seed,
                    precision=precision,
                    advance=step,
                    threads=threads,
                )
            # fp16: half the room, and far finer than what training on them can tell apart.
            small: dict[str, Any] = {key: value.astype(np.float16) for key, value in fresh.items()}
            with _written(path) as part:
                np.savez(part, **small)
        with np.load(path) as arrays:
            found.append({key: arrays[key].astype(np.float32) for key in arrays.files})
    return found


def digest_of(module: nn.Module) -> str:
    """A short name for the weights of a stream, or of a whole model."""
    found = hashlib.sha256()
    for value in module.state_dict().values():
        found.update(value.cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:12]


def digest(described: object) -> str:
    """A short name for plain values."""
    return hashlib.sha256(repr(described).encode()).hexdigest()[:12]


@contextmanager
def _written(path: Path) -> Iterator[Path]:
    """A path to write to that becomes `path` when the writing is over.

    Raises OutputError where it can't be written.
    """
    part = path.with_suffix(".part.npz")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise OutputError(
            f"The features {path} can't be written ({error.strerror}): free some space and run "
            "again; what was finished is kept."
        ) from error
