"""Features of clips straight from their files, by a bundle's frozen streams, kept by content.

    FOLDER/CONTENT_MODEL.npz    rgb, flow: fp16 [T, D], one row a sample; of the centre crop

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
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.arrays import F32
from engine.bundle import Bundle
from engine.device import open_graphs
from training.data.annotations import Clip
from training.data.augment import standard_crops
from training.data.decode import length_s
from training.data.footage import images_of
from training.data.frame_store import FrameStore, StoredClip
from training.data.preparation import Preparation
from training.data.prepare import end_with_parent, prepare_clip
from training.errors import DataError, OutputError
from training.features import MODALITIES
from training.model.build import Modality
from training.progress import Progress

LONGEST_S = 120.0  # of a clip: a longer one is footage, and only its cuts are examples
_AT_ONCE = 32  # samples


Features = dict[Modality, F32]  # of each stream [T, D]


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """Everything that decides the features of a clip, and where they are kept.

    bundle: a path that `Bundle.open` takes.
    """

    bundle: Path
    preparation: Preparation
    folder: Path


def read_features(
    clips: Sequence[Clip],
    extraction: Extraction,
    *,
    workers: int,
    progress: Progress,
) -> tuple[dict[Clip, Features], list[str]]:
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
    model = _digest(extraction)
    files = {clip: _file(clip, model, extraction.folder) for clip in clips}
    missing = [clip for clip in clips if not files[clip].is_file()]
    complaints: list[str] = []
    # spawn: a child forked from a process with torch's threads may hang.
    pool = ProcessPoolExecutor(
        max(1, min(workers, len(missing))),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(extraction,),
    )
    try:
        with progress.task("features", len(missing)) as advance:
            waiting = [pool.submit(_extract, clip, files[clip]) for clip in missing]
            for done in as_completed(waiting):
                complaint = done.result()
                if complaint:
                    complaints.append(complaint)
                advance()
    except BrokenProcessPool as error:
        raise OutputError(
            "A process that computes features was ended from outside, perhaps for its memory: "
            "run again, with fewer --workers; what is done is kept."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
    found = {clip: _read(file) for clip, file in files.items() if file.is_file()}
    return found, sorted(complaints)


def _read(file: Path) -> Features:
    with np.load(file) as arrays:
        return {modality: arrays[modality].astype(np.float32) for modality in MODALITIES}


def _file(clip: Clip, model: str, folder: Path) -> Path:
    """Where a clip's features are kept."""
    try:
        with clip.path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError:  # it will be complained of where it is decoded
        content = "unreadable"
    return folder / f"{content}_{model}.npz"


def _digest(extraction: Extraction) -> str:
    bundle = Bundle.open(extraction.bundle)
    decides = {
        "graphs": [hashlib.sha256(bundle.graph(modality)).hexdigest() for modality in MODALITIES],
        "preparation": msgspec.to_builtins(extraction.preparation),
        "sample_every": bundle.manifest.sample_every,
        "input_size": bundle.manifest.input_size,
    }
    text = json.dumps(decides, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class _Extractor:
    """What a worker process keeps from clip to clip."""

    def __init__(self, extraction: Extraction) -> None:
        self.extraction = extraction
        bundle = Bundle.open(extraction.bundle)
        self.manifest = bundle.manifest
        # The daemon's own graphs, in the precision that gives the same numbers everywhere; they
        # are also three times as fast as torch on one core.
        self.graphs = open_graphs(bundle, "cpu", "fp32", threads=1)

    def write(self, clip: Clip, file: Path) -> None:
        """Prepare a clip, and write its features."""
        seconds = length_s(clip.path)
        if seconds > LONGEST_S:
            raise DataError(
                f"{clip.path} is {seconds:.0f} s long: cut it into clips of at most "
                f"{LONGEST_S:.0f} s."
            )
        with tempfile.TemporaryDirectory(prefix="gesta-") as folder:
            store = FrameStore(Path(folder), self.extraction.preparation)
            prepare_clip(clip, store)
            _save(file, self._features(store.open(clip)))

    def _features(self, stored: StoredClip) -> dict[str, NDArray[np.float16]]:
        side = self.manifest.input_size
        crop = standard_crops(stored.size, side)[0]  # the stream's
        samples = list(range(0, stored.ticks, self.manifest.sample_every))
        rgb, flow = [], []
        for start in range(0, len(samples), _AT_ONCE):
            part = samples[start : start + _AT_ONCE]
            frames = images_of(stored, "rgb", part, crop, side=side)
            stacks = images_of(stored, "flow", part, crop, side=side)
            rgb.append(self.graphs.rgb.run({"frames": frames})["features"])
            flow.append(self.graphs.flow.run({"frames": stacks})["features"])
        # fp16: half the room, and far finer than what training on them can tell apart.
        return {
            "rgb": np.concatenate(rgb).astype(np.float16),
            "flow": np.concatenate(flow).astype(np.float16),
        }


def _save(file: Path, arrays: dict[str, Any]) -> None:
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
    end_with_parent()
    _extractor = _Extractor(extraction)


def _extract(clip: Clip, file: Path) -> str | None:
    """Write a clip's features; returns a sentence where the clip can't be used."""
    assert _extractor is not None  # `_start` has run
    try:
        _extractor.write(clip, file)
    except DataError as error:
        return str(error)
    return None
