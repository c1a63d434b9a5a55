"""Fill a store from clips: one process a core, resumable, damaged clips named and counted."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import cache

import numpy as np

from engine.arrays import U8
from engine.errors import EngineError
from engine.flow.estimator import FlowEstimator, FlowParameter
from engine.flow.open import open_flow
from engine.flow.quantise import ZERO, quantise
from engine.preprocess import grey
from training.data.annotations import Clip
from training.data.decode import decode_ticks
from training.data.frame_store import FRAMES, FrameStore
from training.data.preparation import Preparation, PreparedFlow
from training.errors import DataError, OutputError
from training.progress import Progress


def prepare(
    clips: Sequence[Clip],
    store: FrameStore,
    *,
    progress: Progress,
    workers: int | None = None,
    strict: bool = False,
    device: str = "cpu",
) -> list[str]:
    """Prepare what the store lacks of each clip. Returns one sentence a clip that is left out.

    device: cpu, or cuda for an NVIDIA GPU that estimates what flow it can; what it can't, or
    where it can't, is said and estimated on the CPU.

    Raises DataError where none could be prepared, or one could not and `strict` is set, and
    OutputError where the disk is full. What was prepared by then stays.
    """
    missing = [clip for clip in clips if clip not in store]
    complaints: list[str] = []
    if missing and device == "cuda":
        device = _able(store.preparation, progress)
    # spawn: a child forked from a process with torch's threads may hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        workers or os.cpu_count(), mp_context=context, initializer=end_with_parent
    )
    try:
        with progress.task("prepare", len(missing)) as advance:
            waiting = [pool.submit(_try_to_prepare, clip, store, device) for clip in missing]
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


def prepare_clip(clip: Clip, store: FrameStore, device: str = "cpu") -> None:
    """Put into the store what it lacks of a clip: frames, flows or both.

    device: as of `prepare`. A tick that repeats a frame has zero flow, as in a stream.

    Raises DataError where the clip can't be decoded, OutputError where it can't be written.
    """
    preparation = store.preparation
    kinds = store.missing(clip)
    flows = {name: each for name, each in preparation.flows.items() if name in kinds}
    estimators = {name: _estimator(name, each, device) for name, each in flows.items()}
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


def _able(preparation: Preparation, progress: Progress) -> str:
    """cuda where the GPU can estimate the flows, cpu, with the reason told, where it can't."""
    try:
        for name, flow in preparation.flows.items():
            _estimator(name, flow, "cuda")
    except EngineError as error:
        progress.note(f"flow is estimated on the CPU: {error}")
        return "cpu"
    return "cuda"


def _estimator(name: str, flow: PreparedFlow, device: str) -> FlowEstimator:
    if device == "cuda":
        return _on_gpu(name, tuple(sorted(flow.parameters.items())))
    return open_flow(name, flow.parameters)


@cache
def _on_gpu(name: str, parameters: tuple[tuple[str, FlowParameter], ...]) -> FlowEstimator:
    """One for all clips of a process: its kernels and its memory serve the next one, too."""
    return open_flow(name, dict(parameters), "cuda")


def _try_to_prepare(clip: Clip, store: FrameStore, device: str) -> str | None:
    try:
        prepare_clip(clip, store, device)
    except DataError as error:
        return str(error)
    return None
