"""Prepared clips: grid frames and quantised flow as plain arrays, read through a memory map.

    STORE/store.json               how the clips were prepared
    STORE/CLASS/NAME.frames.npy    uint8 [T, H, W, 3] RGB, one a tick
    STORE/CLASS/NAME.flow.npy      uint8 [T, 2, H, W]; pair j ends at tick j, pair 0 is zero (128)

A clip is in the store as soon as its frames are: they are written last, and renamed into place, so
a store that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

import numpy as np

from engine.arrays import U8
from engine.flow.estimator import FlowParameter
from engine.flow.stack import stack
from training.data.annotations import Clip
from training.errors import DataError, OutputError


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """Everything that decides what is in a store. The defaults are the default bundle's."""

    size: tuple[int, int] = (224, 176)  # width, height, in px
    grid_fps: float = 25.0
    flow: str = "dis"
    flow_parameters: Mapping[str, FlowParameter] = field(
        default_factory=lambda: {"preset": "medium"}
    )
    bound_px: float = 12.0


@dataclass(frozen=True)
class StoredClip:
    """A clip of the store; `frames` and `flow` are memory maps."""

    key: str
    label: str
    group: str
    frames: U8  # [T, H, W, 3]
    flow: U8  # [T, 2, H, W]

    @property
    def ticks(self) -> int:
        return len(self.frames)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px."""
        height, width = self.frames.shape[1:3]
        return width, height

    def frames_at(self, ticks: Sequence[int]) -> U8:
        """The frames of some ticks: [n, H, W, 3] RGB."""
        return cast(U8, self.frames[list(ticks)])

    def stacks_at(self, ticks: Sequence[int]) -> U8:
        """The flow stacks that end at some ticks: [n, 20, H, W]."""
        return np.stack([stack(lambda pair: cast(U8, self.flow[pair]), tick) for tick in ticks])


class FrameStore:
    """A folder of prepared clips.

    Raises DataError where the folder was prepared in another way, OutputError where it can't be
    written.
    """

    def __init__(self, folder: Path, preparation: Preparation) -> None:
        self.folder = folder
        self.preparation = preparation
        described = json.loads(json.dumps(asdict(preparation)))  # as it reads back: lists
        header = folder / "store.json"
        if header.is_file():
            found = json.loads(header.read_text(encoding="utf-8"))
            if found != described:
                raise DataError(
                    f"{folder} was prepared with {found}, and {described} is asked for: "
                    "name another store, or delete that one."
                )
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            header.write_text(json.dumps(described, indent=2), encoding="utf-8")
        except OSError as error:
            raise OutputError(f"The store {folder} can't be written ({error.strerror}).") from error

    def __contains__(self, clip: Clip) -> bool:
        return self._path(clip, "frames").is_file()

    def write(self, clip: Clip, frames: U8, flow: U8) -> None:
        """Put a clip in: frames [T, H, W, 3] and flow [T, 2, H, W]."""
        for kind, array in (("flow", flow), ("frames", frames)):
            target = self._path(clip, kind)
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_suffix(".part")
            try:
                with part.open("wb") as file:
                    np.save(file, array)
                os.replace(part, target)
            except OSError as error:
                raise OutputError(
                    f"{target} can't be written ({error.strerror}): free some space and run again; "
                    "what is done is kept."
                ) from error

    def open(self, clip: Clip) -> StoredClip:
        """Raises DataError where the clip isn't in the store, or its arrays are damaged."""
        try:
            frames = np.load(self._path(clip, "frames"), mmap_mode="r")
            flow = np.load(self._path(clip, "flow"), mmap_mode="r")
        except (OSError, ValueError) as error:
            raise DataError(
                f"{clip.key} is not in {self.folder} ({error}): run `gesta-train prepare` again."
            ) from error
        return StoredClip(clip.key, clip.label, clip.group, frames, flow)

    def _path(self, clip: Clip, kind: str) -> Path:
        return self.folder / clip.label / f"{clip.path.stem}.{kind}.npy"
