"""A video file -> its frames on the grid, at model scale, and the flow between them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np

from engine.arrays import U8
from engine.flow.estimator import open_flow
from engine.flow.quantise import ZERO, quantise
from engine.grid import SECOND_NS, Grid, grid_frames
from engine.preprocess import grey, resize
from training.data.frame_store import Preparation
from training.errors import DataError


def decode(path: Path, size: tuple[int, int]) -> tuple[list[int], list[U8]]:
    """Presentation times in ns, and frames [H, W, 3] RGB at `size` = (width, height).

    Raises DataError for a file that can't be opened or decoded, or that holds no frame.
    """
    times_ns: list[int] = []
    images: list[U8] = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DataError(f"{path} has no video stream.")
            # AVI keeps decoding times alone, while its pictures come in order of presentation.
            is_avi = container.format.name == "avi"
            for frame in container.decode(video=0):
                stamp = frame.dts if is_avi else frame.pts
                if stamp is not None and frame.time_base is not None:
                    times_ns.append(round(Fraction(stamp) * frame.time_base * SECOND_NS))
                elif is_avi and len(times_ns) > 1:
                    # The last pictures, which the decoder held back, have no time of their own.
                    times_ns.append(2 * times_ns[-1] - times_ns[-2])
                else:
                    continue
                images.append(resize(cast(U8, frame.to_ndarray(format="rgb24")), size))
    except (av.error.FFmpegError, OSError) as error:
        raise DataError(f"{path} can't be decoded ({error}): replace or remove it.") from error
    if not images:
        raise DataError(f"{path} holds no frame: replace or remove it.")
    return times_ns, images


def length_s(path: Path) -> float:
    """How long a file says that it is, in s; 0 where it doesn't say. Raises DataError as `decode`."""
    try:
        with av.open(str(path)) as container:
            return float(container.duration or 0) / av.time_base
    except (av.error.FFmpegError, OSError) as error:
        raise DataError(f"{path} can't be decoded ({error}): replace or remove it.") from error


def prepare_clip(path: Path, preparation: Preparation) -> tuple[U8, U8]:
    """Frames uint8 [T, H, W, 3] and flow uint8 [T, 2, H, W], by the stream's own functions.

    A tick that repeats a frame has zero flow, as in a stream.

    Raises DataError as `decode`, and where presentation times go backwards.
    """
    times_ns, images = decode(path, preparation.size)
    try:
        ticks = grid_frames(times_ns, Grid(preparation.grid_fps))
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    estimator = open_flow(preparation.flow, preparation.flow_parameters)
    width, height = preparation.size
    frames = np.empty((len(ticks), height, width, 3), np.uint8)
    flow = np.full((len(ticks), 2, height, width), ZERO, np.uint8)
    previous: U8 | None = None
    for tick, (index, repeated) in enumerate(ticks):
        frames[tick] = images[index]
        if repeated:
            continue
        current = grey(images[index])
        if previous is not None:
            flow[tick] = quantise(estimator.estimate(previous, current), preparation.bound_px)
        previous = current
    return frames, flow
