"""A video file -> its frames at model scale, one a tick, by the stream's own functions."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av

from engine.arrays import U8
from engine.grid import SECOND_NS, Grid, GridSequencer
from engine.preprocess import resize
from training.data.preparation import Preparation
from training.errors import DataError

# A hole in a clip's times is bridged by repeating a frame; a longer one is a damaged file.
MAX_GAP_S = 60.0


def decode(path: Path, size: tuple[int, int]) -> Iterator[tuple[int, U8]]:
    """Presentation times in ns, and frames [H, W, 3] RGB at `size` = (width, height).

    Raises DataError for a file that can't be opened or decoded, that holds no frame, or whose
    picture changes its size.
    """
    times_ns = [0, 0]  # of the last two frames
    count, native = 0, (0, 0)
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DataError(f"{path} has no video stream: replace or remove it.")
            # AVI keeps decoding times alone, while its pictures come in order of presentation.
            is_avi = container.format.name == "avi"
            for frame in container.decode(video=0):
                stamp = frame.dts if is_avi else frame.pts
                if stamp is not None and frame.time_base is not None:
                    time_ns = round(Fraction(stamp) * frame.time_base * SECOND_NS)
                elif is_avi and count > 1:
                    # The last pictures, which the decoder held back, have no time of their own.
                    time_ns = 2 * times_ns[1] - times_ns[0]
                else:
                    continue
                if count and native != (frame.width, frame.height):
                    raise DataError(
                        f"{path} changes its size at frame {count}, from {native[0]}x{native[1]} "
                        f"to {frame.width}x{frame.height} px: cut it there, or remove it."
                    )
                native = frame.width, frame.height
                times_ns = [times_ns[1], time_ns]
                count += 1
                yield time_ns, resize(cast(U8, frame.to_ndarray(format="rgb24")), size)
    except (av.error.FFmpegError, OSError) as error:
        raise DataError(f"{path} can't be decoded ({error}): replace or remove it.") from error
    if not count:
        raise DataError(f"{path} holds no frame: replace or remove it.")


def length_s(path: Path) -> float:
    """How long a file says that it is; 0 where it doesn't say. Raises DataError as `decode`."""
    try:
        with av.open(str(path)) as container:
            return float(container.duration or 0) / av.time_base
    except (av.error.FFmpegError, OSError) as error:
        raise DataError(f"{path} can't be decoded ({error}): replace or remove it.") from error


def decode_ticks(path: Path, preparation: Preparation) -> Iterator[tuple[U8, bool]]:
    """One (frame [H, W, 3], repeated) a tick: on the grid, or each of the file's own frames.

    Raises DataError as `decode`, and where presentation times go back or leave a long hole.
    """
    frames = decode(path, preparation.size)
    if preparation.grid_fps == "native":
        for _, image in frames:
            yield image, False
        return
    sequencer = GridSequencer(Grid(preparation.grid_fps), max_gap_s=MAX_GAP_S)
    newest: U8 | None = None
    for time_ns, image in frames:
        placement = sequencer.place(time_ns)
        if placement.outcome in ("jump", "gap"):
            what = "go back" if placement.outcome == "jump" else f"leave out {MAX_GAP_S:.0f} s"
            raise DataError(
                f"The presentation times of {path} {what}: write it again, or remove it."
            )
        if placement.outcome == "thinned":
            continue
        if newest is not None:
            for _ in range(placement.repeated):
                yield newest, True
        newest = image
        yield image, False
