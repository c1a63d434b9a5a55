"""Features of clips straight from their files, by a bundle's frozen streams, kept by content.

    FOLDER/CONTENT_MODEL_view0.npz    rgb, flow: fp16 [T, D], one row a sample

CONTENT is a digest of the clip's file, MODEL one of everything else that decides its features. So
a clip that was renamed, or is asked for again by another command, is found, and one that was cut
anew under its old name is not mistaken for it.

Shapes: T samples of a clip, D feature width.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from engine.arrays import F32
from engine.machine import describe_machine
from training.data.annotations import Clip
from training.data.augment import random_crop
from training.data.decode import length_s
from training.data.frame_store import FrameStore, StoredClip
from training.data.preparation import Preparation
from training.data.prepare import prepare_clip
from training.errors import DataError, OutputError
from training.export import load_bundle
from training.features import MODALITIES, clip_features, digest_of
from training.model.build import Modality
from training.model.sta_tsn import StaTsn
from training.progress import Progress

LONGEST_S = 120.0  # of a clip: a longer one is footage, and only its cuts are examples


@dataclass(frozen=True)
class ClipFeatures:
    """A clip's features [T, D] of each stream and view; view 0 is the centre crop."""

    clip: Clip
    views: Mapping[Modality, tuple[F32, ...]]


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """Everything that decides the features of a clip, and where they are kept.

    bundle: a path that `load_bundle` takes. sample_every: ticks from one sample to the next.
    """

    bundle: Path
    preparation: Preparation
    sample_every: int
    side: int
    views: int
    folder: Path


def read_features(
    clips: Sequence[Clip],
    extraction: Extraction,
    *,
    workers: int,
    progress: Progress,
) -> tuple[list[ClipFeatures], list[str]]:
    """The features of every clip that can be read, and a sentence for each that can't.

    One process a core, each with one thread. What was found before is read from the folder.

    Raises OutputError where the folder can't be written.
    """
    try:
        extraction.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{extraction.folder} can't be made ({error.strerror}): choose another --work."
        ) from error
    model = _digest(load_bundle(extraction.bundle), extraction)
    files = {clip: _files(clip, model, extraction) for clip in clips}
    missing = [clip for clip in clips if not all(file.is_file() for file in files[clip])]
    complaints: list[str] = []
    # spawn: a child forked from a process with torch's threads may hang.
    context = multiprocessing.get_context("spawn")
    with (
        progress.task("features", len(missing)) as advance,
        ProcessPoolExecutor(
            max(1, min(workers, len(missing))),
            mp_context=context,
            initializer=_start,
            initargs=(extraction,),
        ) as pool,
    ):
        waiting = [pool.submit(_extract, clip, files[clip]) for clip in missing]
        try:
            for done in as_completed(waiting):
                complaint = done.result()
                if complaint:
                    complaints.append(complaint)
                advance()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    found = [
        ClipFeatures(clip, _read(files[clip]))
        for clip in clips
        if all(file.is_file() for file in files[clip])
    ]
    return found, sorted(complaints)


def _read(files: Sequence[Path]) -> dict[Modality, tuple[F32, ...]]:
    views = []
    for file in files:
        with np.load(file) as arrays:
            views.append({modality: arrays[modality].astype(np.float32) for modality in MODALITIES})
    return {modality: tuple(view[modality] for view in views) for modality in MODALITIES}


def _files(clip: Clip, model: str, extraction: Extraction) -> list[Path]:
    """Where each view of a clip is kept."""
    try:
        with clip.path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError:  # it will be complained of where it is decoded
        content = "unreadable"
    return [
        extraction.folder / f"{content}_{model}_view{view}.npz" for view in range(extraction.views)
    ]


def _digest(model: StaTsn, extraction: Extraction) -> str:
    decides = {
        "weights": [digest_of(model.rgb), digest_of(model.flow)],
        "preparation": msgspec.to_builtins(extraction.preparation),
        "sample_every": extraction.sample_every,
        "side": extraction.side,
    }
    text = json.dumps(decides, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class _Extractor:
    """What a worker process keeps from clip to clip."""

    def __init__(self, extraction: Extraction) -> None:
        torch.set_num_threads(1)
        self.extraction = extraction
        self.model = load_bundle(extraction.bundle).to(memory_format=torch.channels_last)
        # The daemon's own choice: what it will compute in here is what is learnt from.
        self.precision = "bf16" if describe_machine().computes_bf16 else "fp32"

    def write(self, clip: Clip, files: Sequence[Path]) -> None:
        wanted = self.extraction
        seconds = length_s(clip.path)
        if seconds > LONGEST_S:
            raise DataError(
                f"{clip.path} is {seconds:.0f} s long: cut it into clips of at most "
                f"{LONGEST_S:.0f} s."
            )
        with tempfile.TemporaryDirectory(dir=wanted.folder) as folder:
            store = FrameStore(Path(folder), wanted.preparation)
            prepare_clip(clip, store)
            self._write_views(store.open(clip), files)

    def _write_views(self, stored: StoredClip, files: Sequence[Path]) -> None:
        wanted = self.extraction
        samples = range(0, stored.ticks, wanted.sample_every)
        for view, file in enumerate(files):
            if file.is_file():
                continue
            # By content, as the file is named: the same clip has the same crops everywhere.
            seed = int(file.name[:8], 16)
            crop = random_crop(stored.size, np.random.default_rng((seed, view))) if view else None
            arrays = {
                modality: clip_features(
                    getattr(self.model, modality),
                    modality,
                    stored,
                    side=wanted.side,
                    crop=crop,
                    ticks=samples,
                    precision=self.precision,
                )
                # Half the room, and far finer than what training on them can tell apart.
                .astype(np.float16)
                for modality in MODALITIES
            }
            _save(file, arrays)


def _save(
    file: Path, arrays: Mapping[str, np.ndarray[tuple[int, ...], np.dtype[np.float16]]]
) -> None:
    part = file.with_name(f"{file.stem}.{os.getpid()}.part.npz")
    try:
        np.savez(part, **arrays)
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(
            f"{file} can't be written ({error.strerror}): make room, or choose another --work; "
            "what is done is kept."
        ) from error


_extractor: _Extractor | None = None  # of this worker process


def _start(extraction: Extraction) -> None:
    global _extractor
    _extractor = _Extractor(extraction)


def _extract(clip: Clip, files: Sequence[Path]) -> str | None:
    """Write a clip's features; returns a sentence where the clip can't be used."""
    assert _extractor is not None  # `_start` has run
    try:
        _extractor.write(clip, files)
    except DataError as error:
        return str(error)
    return None
