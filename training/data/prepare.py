"""Fill a store from clips: one process a core, resumable, damaged clips named and counted."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from training.data.annotations import Clip
from training.data.decode import prepare_clip
from training.data.frame_store import FrameStore
from training.errors import DataError
from training.progress import Progress


def prepare(
    clips: Sequence[Clip], store: FrameStore, *, progress: Progress, workers: int | None = None
) -> list[str]:
    """Prepare every clip that the store lacks. Returns one sentence a clip that had to be left out.

    Raises DataError where none could be prepared.
    """
    missing = [clip for clip in clips if clip not in store]
    complaints: list[str] = []
    # spawn: a child forked from a process with torch's threads may hang.
    context = multiprocessing.get_context("spawn")
    with (
        progress.task("prepare", len(missing)) as advance,
        ProcessPoolExecutor(workers or os.cpu_count(), mp_context=context) as pool,
    ):
        waiting = [pool.submit(_prepare_one, clip, store) for clip in missing]
        for done in as_completed(waiting):
            complaint = done.result()
            if complaint:
                complaints.append(complaint)
            advance()
    if clips and len(complaints) == len(clips):
        raise DataError(f"None of the {len(clips)} clips could be prepared; first: {complaints[0]}")
    return sorted(complaints)


def _prepare_one(clip: Clip, store: FrameStore) -> str | None:
    try:
        frames, flow = prepare_clip(clip.path, store.preparation)
    except DataError as error:
        return str(error)
    store.write(clip, frames, flow)
    return None
