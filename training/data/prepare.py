"""Fill a store from clips: one process a core, resumable, damaged clips named and counted."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

import numpy as np

from engine.arrays import U8
from engine.flow.open import open_flow
from engine.flow.quantise import ZERO, quantise
from engine.preprocess import grey
from training.data.annotations import Clip
from training.data.decode import decode_ticks
from training.data.frame_store import FRAMES, FrameStore
from training.errors import DataError, OutputError
from training.progress import Progress


def prepare(
    clips: Sequence[Clip],
    store: FrameStore,
    *,
    progress: Progress,
    workers: int | None = None,
    strict: bool = False,
) -> list[str]:
    """Prepare what the store lacks of each clip. Returns one sentence a clip that is left out.

    Raises DataError where none could be prepared, or one could not and `strict` is set, and
    OutputError where the disk is full. What was prepared by then stays.
    """
    missing = [clip for clip in clips if clip not in store]
    complaints: list[str] = []
    # spawn: a child forked from a process with torch's threads may hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        workers or os.cpu_count(), mp_context=context, initializer=end_with_parent
    )
    try:
        with progress.task("prepare", len(missing)) as advance:
            waiting = [pool.submit(_try_to_prepare, clip, store) for clip in missing]
            for done in as_completed(waiting):
                complaint = done.result()
                if complaint and strict:
                    raise DataError(complaint)
                if complaint:
                    complaints.append(complaint)
                advance()
    except BrokenProcessPool as error:
        raise OutputError(
            "A process that prepares clips was ended from outside, perhaps for its memory: "
            "run again, with fewer --workers; what is done is kept."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
    if clips and len(complaints) == len(clips):
        raise DataError(f"None of the {len(clips)} clips could be prepared; first: {complaints[0]}")
    return sorted(complaints)


def prepare_clip(clip: Clip, store: FrameStore) -> None:
    """Put into the store what it lacks of a clip: frames, flows or both.

    A tick that repeats a frame has zero flow, as in a stream.

    Raises DataError where the clip can't be decoded, OutputError where it can't be written.
    """
    preparation = store.preparation
    kinds = store.missing(clip)
    flows = {name: each for name, each in preparation.flows.items() if name in kinds}
    estimators = {name: open_flow(name, each.parameters) for name, each in flows.items()}
    width, height = preparation.flow_size
    no_flow = np.full((2, height, width), ZERO, np.uint8)
    previous: U8 | None = None
    ticks = 0
    with store.writing(clip, kinds) as add:
        for frame, repeated in decode_ticks(clip.path, preparation):
            if FRAMES in add:
                add[FRAMES](frame)
            current = grey(frame, preparation.flow_downsampling)
            ticks += 1
            for name, estimator in estimators.items():
                pair = no_flow
                if previous is not None and not repeated:
                    bound_px = flows[name].bound_px
                    pair = quantise(estimator.estimate(previous, current), bound_px)
                add[name](pair)
            previous = current
        if ticks == 1:
            raise DataError(f"{clip.path} has one frame, in which nothing moves: remove it.")


def end_with_parent() -> None:
    """Let this process end at once, and in silence, when the one that started it is ended."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, name="end-with-parent", daemon=True).start()


def _try_to_prepare(clip: Clip, store: FrameStore) -> str | None:
    try:
        prepare_clip(clip, store)
    except DataError as error:
        return str(error)
    return None
