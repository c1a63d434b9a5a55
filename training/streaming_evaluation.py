"""Accuracy on long labelled streams: what the rolling prediction says in the middle of each action.

A stream is a video with a .json of its intervals beside it, as `gesta scene` writes them:
{"intervals": [{"label", "start_tick", "end_tick"}, ...], ...}, tick n being frame n.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from training.data.annotations import IDLE, Clip
from training.data.frame_store import StoredClip
from training.errors import DataError
from training.evaluate import summary, window_prediction
from training.features import MODALITIES, clip_features
from training.model.sta_tsn import Predictions, StaTsn
from training.progress import Progress

ACTION = "action"


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
    """Every FOLDER/*.mp4 with its .json.

    Raises DataError where there is none, or a .json is missing or malformed.
    """
    streams = []
    for video in sorted(folder.glob("*.mp4")):
        truth = video.with_suffix(".json")
        try:
            intervals = msgspec.json.decode(truth.read_bytes(), type=_Truth).intervals
        except OSError as error:
            raise DataError(f"{video} has no truth: {truth} can't be read.") from error
        except msgspec.DecodeError as error:
            raise DataError(f"{truth} is not a stream's truth ({error}).") from error
        streams.append(LabelledStream(Clip(video, "streams"), intervals))
    if not streams:
        raise DataError(f"{folder} holds no streams: NAME.mp4 with NAME.json beside it.")
    return streams


def evaluate_streams(
    model: StaTsn,
    streams: Sequence[tuple[StoredClip, Sequence[Interval]]],
    classes: Sequence[str],
    *,
    side: int,
    sample_every: int = 1,
    precision: str = "fp32",
    progress: Progress,
) -> dict[str, Any]:
    """A report as `evaluate`'s, over the middles of all intervals whose window is full by then:
    those of an action, and those in which nothing happens.

    The window is the one a stream holds at that sample: its last N·k samples, across what went
    before the action too.
    """
    predictions, labels = predict_middles(
        model,
        streams,
        side=side,
        sample_every=sample_every,
        precision=precision,
        progress=progress,
    )
    number = {label: index for index, label in enumerate(classes)}
    report: dict[str, Any] = {"streams": len(streams)}
    for protocol, wanted in ((ACTION, False), (IDLE, True)):
        chosen = [index for index, label in enumerate(labels) if (label == IDLE) is wanted]
        if chosen:
            found = [predictions[index] for index in chosen]
            numbers = np.array([number[labels[index]] for index in chosen])
            report[protocol] = summary(found, numbers, tuple(classes))
    return report


def predict_middles(
    model: StaTsn,
    streams: Sequence[tuple[StoredClip, Sequence[Interval]]],
    *,
    side: int,
    sample_every: int = 1,
    precision: str = "fp32",
    progress: Progress,
) -> tuple[list[Predictions], list[str]]:
    """A prediction in the middle of each interval whose window is full by then, and its label.

    Raises DataError where there is none.
    """
    model.eval()
    span = (model.segments * model.frames_per_segment - 1) * sample_every
    places = [
        (clip, interval)
        for clip, intervals in streams
        for interval in intervals
        if span <= _sample(interval.middle, sample_every) < clip.ticks
    ]
    if not places:
        raise DataError("No action of these streams has a full window before its middle.")
    predictions: list[Predictions] = []
    with progress.task("evaluate streams", len(places)) as advance:
        for clip, interval in places:
            last = _sample(interval.middle, sample_every)
            ticks = range(last - span, last + 1, sample_every)
            features = {
                modality: clip_features(
                    getattr(model, modality),
                    modality,
                    clip,
                    side=side,
                    ticks=ticks,
                    precision=precision,
                )
                for modality in MODALITIES
            }
            with torch.inference_mode():
                predictions.append(
                    window_prediction(
                        model,
                        torch.from_numpy(features["rgb"]),
                        torch.from_numpy(features["flow"]),
                    )
                )
            advance()
    return predictions, [interval.label for _, interval in places]


def _sample(tick: int, sample_every: int) -> int:
    """The newest sample at `tick`."""
    return tick - tick % sample_every
