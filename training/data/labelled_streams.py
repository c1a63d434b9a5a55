"""Long videos and what is true of them, tick by tick.

A stream's truth is a .json beside the video, as `gesta scene` writes it:
{"intervals": [{"label", "start_tick", "end_tick"}, ...], ...}, tick n being frame n.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import msgspec

from training.data.annotations import VIDEO_SUFFIXES, Clip
from training.errors import DataError

LABEL = "streams"  # what a stream's clip is filed under; it says nothing of what it shows


class Interval(msgspec.Struct, frozen=True):
    """Ticks [start_tick, end_tick) of a stream show `label`."""

    label: str
    start_tick: int
    end_tick: int

    @property
    def middle(self) -> int:
        return (self.start_tick + self.end_tick) // 2


class _Truth(msgspec.Struct, frozen=True):
    intervals: tuple[Interval, ...]


@dataclass(frozen=True)
class LabelledStream:
    clip: Clip
    intervals: tuple[Interval, ...]


def read_streams(folder: Path) -> list[LabelledStream]:
    """Every video of FOLDER with its .json.

    Raises DataError where there is none, or a .json is missing or malformed.
    """
    return [
        LabelledStream(Clip(video, LABEL), _read_truth(video.with_suffix(".json")))
        for video in _videos(folder)
    ]


def read_idle(folder: Path, allowed: Collection[str]) -> list[Clip]:
    """Every video of FOLDER, in which nothing happens but what is `allowed`.

    A .json beside a video isn't needed; where there is one, it must agree. Raises DataError where
    it doesn't, or where there is no video.
    """
    videos = _videos(folder)
    for video in videos:
        truth = video.with_suffix(".json")
        if not truth.exists():
            continue
        others = {each.label for each in _read_truth(truth)} - set(allowed)
        if others:
            raise DataError(
                f"{truth} says that {min(others)!r} happens, which idle footage isn't `allowed` to "
                "show: take that stream out, or add the label to `allowed`."
            )
    return [Clip(video, LABEL) for video in videos]


def _videos(folder: Path) -> list[Path]:
    found = [path for path in sorted(folder.glob("*")) if path.suffix.lower() in VIDEO_SUFFIXES]
    if not found:
        raise DataError(f"{folder} holds no video: put NAME.mp4, and NAME.json beside it, there.")
    return found


def _read_truth(path: Path) -> tuple[Interval, ...]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Truth).intervals
    except OSError as error:
        raise DataError(
            f"A stream has no truth: {path} can't be read ({error.strerror})."
        ) from error
    except msgspec.DecodeError as error:
        raise DataError(f"{path} is not a stream's truth ({error}).") from error
