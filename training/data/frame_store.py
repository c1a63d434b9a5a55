"""Prepared clips: frames on the grid, and the flow between them by one or several estimators.

    STORE/frames/prepared.json     size, grid
    STORE/frames/CLASS/NAME.zip    one JPEG a tick
    STORE/FLOW/prepared.json       the same, and the estimator's parameters
    STORE/FLOW/CLASS/NAME.zip      one PNG a tick, x above y; pair j ends at tick j, pair 0 is zero

Each kind stands alone, so a flow can be added or deleted without touching the rest, and each file
appears whole or not at all, so a store that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np

from engine.arrays import U8
from engine.flow.stack import stack, stack_ticks
from training.data.annotations import Clip
from training.data.picture_file import FLOW, FRAME, Codec, PictureFile, write_pictures
from training.data.preparation import Preparation
from training.errors import DataError, OutputError

FRAMES = "frames"  # the kind that is no flow


class Pictures(Protocol):
    """Pictures by tick: a file of them, or an array."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, ticks: Any, /) -> U8: ...


@dataclass(frozen=True)
class StoredClip:
    """A clip of the store, bound to one of its flows.

    also: what it shows beside `label`, where it has several labels. from_afar: it was taken from
    afar, so nobody need look at it from further away.
    """

    key: str
    label: str
    group: str
    frames: Pictures  # [T, H, W, 3]
    flow: Pictures  # [T, 2, H/p, W/p], p the flow's downsampling
    flow_name: str = "dis"
    also: tuple[str, ...] = ()
    other_flows: Mapping[str, Pictures] = field(default_factory=dict)
    from_afar: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        return (self.label, *self.also)

    @property
    def ticks(self) -> int:
        return self.frames.shape[0]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px."""
        height, width = self.frames.shape[1:3]
        return width, height

    @property
    def flow_downsampling(self) -> int:
        """How many times as wide a frame is as the picture that flow was estimated on."""
        return self.frames.shape[2] // self.flow.shape[3]

    def frames_at(self, ticks: Sequence[int]) -> U8:
        """The frames of some ticks: [n, H, W, 3] RGB."""
        return self.frames[list(ticks)]

    def stacks_at(self, ticks: Sequence[int]) -> U8:
        """The flow stacks that end at some ticks: [n, 20, H/p, W/p]."""
        needed = sorted({pair for tick in ticks for pair in stack_ticks(tick)})
        pairs = dict(zip(needed, self.flow[needed], strict=True))
        return np.stack([stack(pairs.__getitem__, tick) for tick in ticks])

    def with_flow(self, name: str) -> StoredClip:
        """The same clip, bound to another flow. Raises DataError where it isn't prepared."""
        if name == self.flow_name:
            return self
        if name not in self.other_flows:
            raise DataError(
                f"The flow {name!r} of {self.key} is not prepared: run `gesta-train prepare`."
            )
        flows = {**self.other_flows, self.flow_name: self.flow}
        flow = flows.pop(name)
        return replace(self, flow=flow, flow_name=name, other_flows=flows)


class FrameStore:
    """A folder of prepared clips.

    Raises DataError where the folder was prepared in another way, OutputError where it can't be
    written.
    """

    def __init__(self, folder: Path, preparation: Preparation) -> None:
        self.folder = folder
        self.preparation = preparation
        for kind, described in _descriptions(preparation).items():
            _check_header(folder / kind, described)

    def __contains__(self, clip: Clip) -> bool:
        return not self.missing(clip)

    def missing(self, clip: Clip) -> tuple[str, ...]:
        """What isn't prepared of a clip: some of `frames` and the names of the flows."""
        kinds = (FRAMES, *self.preparation.flows)
        return tuple(kind for kind in kinds if not self._path(clip, kind).is_file())

    def holds(self, clip: Clip, flow: str | None = None) -> bool:
        """Whether a clip's frames and one flow are prepared: the default one where None."""
        return not {FRAMES, flow or self.preparation.default_flow} & set(self.missing(clip))

    @contextmanager
    def writing(
        self, clip: Clip, kinds: Sequence[str]
    ) -> Iterator[Mapping[str, Callable[[U8], None]]]:
        """For each kind a function that adds the picture of the next tick.

        All of them are in the store once the block ends, and none where it raises. Raises
        OutputError where they can't be written.
        """
        with ExitStack() as files:
            yield {
                kind: files.enter_context(write_pictures(self._path(clip, kind), _codec(kind)))
                for kind in kinds
            }

    def open(self, clip: Clip, flow: str | None = None) -> StoredClip:
        """A clip, bound to one flow: to the first of the preparation where `flow` is None.

        Raises DataError where its frames or this flow aren't in the store.
        """
        name = self.preparation.default_flow if flow is None else flow
        if name not in self.preparation.flows or not self.holds(clip, name):
            raise DataError(
                f"{clip.key} is not in {self.folder} with the flow {name!r}: "
                "run `gesta-train prepare`."
            )
        missing = self.missing(clip)
        flows = {
            each: self._pictures(clip, each)
            for each in self.preparation.flows
            if each not in missing
        }
        return StoredClip(
            clip.key,
            clip.label,
            clip.group,
            frames=self._pictures(clip, FRAMES),
            flow=flows.pop(name),
            flow_name=name,
            also=clip.also,
            other_flows=flows,
        )

    def _pictures(self, clip: Clip, kind: str) -> PictureFile:
        if kind == FRAMES:
            width, height = self.preparation.size
            shape: tuple[int, int, int] = (height, width, 3)
        else:
            width, height = self.preparation.flow_size
            shape = (2, height, width)
        return PictureFile(self._path(clip, kind), _codec(kind), shape)

    def _path(self, clip: Clip, kind: str) -> Path:
        return self.folder / kind / f"{clip.key}.zip"


def _codec(kind: str) -> Codec:
    return FRAME if kind == FRAMES else FLOW


def _descriptions(preparation: Preparation) -> dict[str, dict[str, Any]]:
    """Of each kind, all that decides what is in its pictures."""
    whole = msgspec.to_builtins(preparation)
    flows, downsampling = whole.pop("flows"), whole.pop("flow_downsampling")
    of_flow = whole if downsampling == 1 else {**whole, "flow_downsampling": downsampling}
    return {FRAMES: whole, **{name: {**of_flow, **flow} for name, flow in flows.items()}}


def _check_header(folder: Path, described: dict[str, Any]) -> None:
    header = folder / "prepared.json"
    described = json.loads(json.dumps(described))  # as it reads back: lists
    try:
        found = json.loads(header.read_text(encoding="utf-8"))
    except FileNotFoundError:
        found = None
    except (OSError, ValueError) as error:
        raise DataError(f"{header} can't be read ({error}): delete {folder}.") from error
    if found == described:
        return
    if found is not None:
        raise DataError(
            f"{folder} was prepared with {found}, and {described} is asked for: "
            "name another run folder, or delete that one."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = header.with_suffix(".part")
        part.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
        part.replace(header)
    except OSError as error:
        raise OutputError(f"The store {folder} can't be written ({error.strerror}).") from error
