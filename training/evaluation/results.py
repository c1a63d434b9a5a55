"""What was measured of a model: the structure of metrics.json, `docs/evaluation.md` in types.

All shares and probabilities are 0..1, all times in seconds.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from training.errors import DataError
from training.whole_file import write_whole

FORMAT = 1


class OfStreams(msgspec.Struct, frozen=True, kw_only=True):
    """One number of the fused prediction, and of either stream by itself."""

    fused: float
    rgb: float
    flow: float


class Mistake(msgspec.Struct, frozen=True):
    """`clips` of class `true` were taken for `predicted`."""

    true: str
    predicted: str
    clips: int


class Bin(msgspec.Struct, frozen=True):
    """Predictions of about one confidence: how many, how sure on average, how often right."""

    count: int
    confidence: float
    accuracy: float


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The predictions of one protocol on one data set with one flow.

    protocol: `global` and `grid` of clips by themselves; `grid, end of clip` and `grid, end of long
        clip` of clips joined into a stream; `grid, middle of action` and `grid, middle of idle`
        of streams with their truth.
    crops: of each frame. count: predictions. unit: what there is one prediction of.
    accuracy: equation (19). mean_average_precision: equation (18), of the fused.
    calibration_error: expected, with the temperatures; calibration_error_before: without them.
    Of the fused prediction: average_precision and class_accuracy by class, None for a class
    that none shows; confusion: row = the true class, column = the predicted one, in the order of
    the recipe's classes; mistakes, the most frequent first; reliability: by rising confidence, in
    bins of equal width, those without a prediction left out. Where an example may show several
    classes there is no class_accuracy, confusion or mistakes.
    """

    data_set: str
    split: str
    protocol: str
    crops: int
    flow: str
    unit: str
    count: int
    accuracy: OfStreams
    mean_average_precision: float
    mean_confidence: float
    calibration_error: OfStreams
    calibration_error_before: OfStreams
    average_precision: dict[str, float | None]
    class_accuracy: dict[str, float | None] | None = None
    confusion: list[list[int]] | None = None
    mistakes: tuple[Mistake, ...] = ()
    reliability: tuple[Bin, ...] = ()


class AfterCut(msgspec.Struct, frozen=True, kw_only=True):
    """The fused prediction's accuracy over all samples `grace_s` or more after their clip's first.

    segments: of the window that then hold this clip alone. None where no clip is long enough.
    """

    segments: int
    grace_s: float
    samples: int
    accuracy: float | None


class JoinedResult(msgspec.Struct, frozen=True, kw_only=True):
    """The test clips as one long stream.

    seed: of their order. duration_s: of the stream. after_cut: with a grace of 0, 1, ... N
        segments; after the last of them the window holds nothing of the clip before.
    time_to_correct_s: the median, over the clips that come right, of the time from the cut to the
        first sample from which the answer is right and stays right; None where none does.
    never_correct: the share of the clips that don't.
    """

    data_set: str
    split: str
    flow: str
    seed: int
    clips: int
    duration_s: float
    after_cut: tuple[AfterCut, ...]
    time_to_correct_s: float | None
    never_correct: float


class AlarmRate(msgspec.Struct, frozen=True, kw_only=True):
    """False alarms at one threshold. labels: by the action that each was mostly taken for."""

    threshold: float
    alarms: int
    per_hour: float
    labels: dict[str, int]


class IdleResult(msgspec.Struct, frozen=True, kw_only=True):
    """False alarms on footage in which nothing happens but what is `allowed`.

    duration_s: judged, without the start of each video, where the window isn't full yet.
    min_duration_s: an alarm lasts this long at least. fitted: the threshold was chosen on it.
    wrong_samples: the share of samples at which something else than what is allowed is top-1.
    rates: by rising threshold; the model's own abstention threshold is one of them.
    """

    data_set: str
    flow: str
    videos: int
    duration_s: float
    allowed: tuple[str, ...]
    min_duration_s: float
    fitted: bool
    wrong_samples: float
    rates: tuple[AlarmRate, ...]


class Abstention(msgspec.Struct, frozen=True, kw_only=True):
    """The threshold below which the model gives no answer, and what it was chosen for.

    sets: of idle footage. duration_s: of them, judged. per_hour: false alarms that may remain.
    threshold: the largest over all flows; None where no threshold was high enough.
    right_lost: the share of the right answers of the calibration that it takes; None without one.
    """

    sets: tuple[str, ...]
    duration_s: float
    per_hour: float
    min_duration_s: float
    threshold: float | None
    right_lost: float | None


class CalibrationResult(msgspec.Struct, frozen=True, kw_only=True):
    """Temperatures and what they were fitted on.

    counts: examples by data set, each with every one of `flows`.
    error_before, error_after: expected calibration error on the very predictions fitted on.
    """

    counts: dict[str, int]
    flows: tuple[str, ...]
    temperatures: OfStreams
    error_before: OfStreams
    error_after: OfStreams


class Calibrated(msgspec.Struct, frozen=True, kw_only=True):
    """What `calibrate` did, kept with the model until `evaluate` reports it."""

    calibration: CalibrationResult | None = None
    abstention: Abstention | None = None


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """metrics.json. classes: in the order of rows and columns of each confusion."""

    format: int = FORMAT
    classes: tuple[str, ...]
    calibration: CalibrationResult | None = None
    abstention: Abstention | None = None
    results: tuple[Result, ...] = ()
    joined: tuple[JoinedResult, ...] = ()
    idle: tuple[IdleResult, ...] = ()

    def write(self, path: Path) -> None:
        """Raises OutputError where the file can't be written."""
        write_whole(path, msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")


def read_metrics(path: Path) -> Metrics:
    """Raises DataError where there is no such file, or it isn't what `evaluate` writes."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Metrics)
    except OSError as error:
        raise DataError(f"There is no {path}: run `gesta-train evaluate` first.") from error
    except msgspec.DecodeError as error:
        raise DataError(
            f"{path} is not of this version ({error}): run `gesta-train evaluate` again."
        ) from error
