"""The same model on the grid and the rolling window, on long videos whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.data.annotations import IDLE
from training.data.frame_store import StoredClip
from training.data.labelled_streams import Interval
from training.errors import DataError
from training.evaluation.clip_scores import RGB, Protocol, Scores
from training.evaluation.clips import DataSet, result
from training.evaluation.metrics import Labels
from training.evaluation.results import Result
from training.evaluation.rolling import bound_to, footage_scores
from training.model.sta_tsn import StaTsn
from training.progress import Progress

MIDDLE_OF_ACTION = Protocol("grid, middle of action", 1)
MIDDLE_OF_IDLE = Protocol("grid, middle of idle", 1)


@dataclass(frozen=True)
class Timing:
    """grid_fps: ticks a second. sample_every: ticks from one sample to the next."""

    grid_fps: float
    sample_every: int

    @property
    def sample_s(self) -> float:
        """From one sample to the next, in seconds."""
        return self.sample_every / self.grid_fps

    def newest_sample(self, tick: int) -> int:
        """The number of the newest sample at `tick`; sample 0 is tick 0."""
        return tick // self.sample_every

    def samples(self, interval: Interval) -> range:
        """The numbers of the samples inside an interval."""
        first = -(-interval.start_tick // self.sample_every)
        return range(first, self.newest_sample(interval.end_tick - 1) + 1)


def evaluate_streams(
    model: StaTsn,
    streams: Sequence[tuple[StoredClip, Sequence[Interval]]],
    data_set: DataSet,
    *,
    flows: Sequence[str],
    timing: Timing,
    side: int,
    precision: str = "fp32",
    progress: Progress,
) -> list[Result]:
    """Results over the middles of all intervals whose window is full by then: those of an action,
    and those in which nothing happens.
    """
    scores, labels = middle_scores(
        model,
        streams,
        flows=flows,
        timing=timing,
        side=side,
        precision=precision,
        progress=progress,
    )
    numbers = numbers_of(labels, data_set.classes)
    idle = np.array([label == IDLE for label in labels])
    return [
        result(
            {name: rows[chosen] for name, rows in scores.items()},
            flow,
            numbers[chosen],
            data_set,
            model.temperatures,
            protocol,
            "intervals",
        )
        for protocol, chosen in ((MIDDLE_OF_ACTION, ~idle), (MIDDLE_OF_IDLE, idle))
        if chosen.any()
        for flow in flows
    ]


def middle_scores(
    model: StaTsn,
    streams: Sequence[tuple[StoredClip, Sequence[Interval]]],
    *,
    flows: Sequence[str],
    timing: Timing,
    side: int,
    precision: str = "fp32",
    progress: Progress,
) -> tuple[Scores, list[str]]:
    """The rolling scores in the middle of each interval whose window is full by then; its label.

    The window is the one a stream holds at that sample: its last N·k samples, across what went
    before the action too. Raises DataError where there is no such interval.
    """
    window = model.segments * model.frames_per_segment
    parts: list[Scores] = []
    labels: list[str] = []
    for clip, intervals in streams:
        places = [
            (timing.newest_sample(interval.middle), interval.label)
            for interval in intervals
            if interval.middle < clip.ticks
        ]
        places = [(sample, label) for sample, label in places if sample >= window - 1]
        if not places:
            continue
        scores = footage_scores(
            model,
            bound_to(clip, flows),
            sample_every=timing.sample_every,
            side=side,
            precision=precision,
            progress=progress,
        )
        chosen = [sample for sample, _ in places]
        parts.append({name: rows[chosen] for name, rows in scores.items()})
        labels += [label for _, label in places]
    if not parts:
        raise DataError("No action of these streams has a full window before its middle.")
    whole = {name: np.concatenate([part[name] for part in parts]) for name in (RGB, *flows)}
    return whole, labels


def numbers_of(labels: Sequence[str], classes: Sequence[str]) -> Labels:
    """Raises DataError for a label that isn't a class."""
    number = {label: index for index, label in enumerate(classes)}
    for label in labels:
        if label not in number:
            raise DataError(
                f"A stream's truth names {label!r}, which the recipe's `classes` don't: "
                "correct one of the two."
            )
    return np.array([number[label] for label in labels], np.int64)
