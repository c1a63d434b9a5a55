"""What is said of a taught bundle: in its manifest, on the screen, and clip by clip."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from training.data.annotations import IDLE
from training.errors import OutputError
from training.export import TOLERANCE
from training.teach.measure import Measured
from training.teach.teach import Taught

_CLIPS = "grid, mean of a clip's windows"
_WINDOWS = "grid, each window"


def manifest_fields(
    taught: Taught,
    *,
    name: str,
    version: str,
    data_set: str,
    licence: str,
    attribution: Sequence[str],
) -> dict[str, Any]:
    """The manifest beyond the model's configuration."""
    source = taught.source
    entry = source.flows[taught.flow]
    split = f"{taught.folds} folds by source, each left out once"
    accuracy = _entries(taught.left_out, data_set, split)
    if taught.tested is not None:
        accuracy = [*_entries(taught.tested, data_set, "test part, unseen sources"), *accuracy]
    best = taught.left_out if taught.tested is None else taught.tested
    return {
        "name": name,
        "version": version,
        "classes": list(taught.lesson.classes),
        "resize": list(source.resize),
        "grid_fps": source.grid_fps,
        "sample_every": source.sample_every,
        # Learnt from, and measured with, this one only.
        "flows": {
            taught.flow: {
                "bound_px": entry.bound_px,
                "parameters": dict(entry.parameters),
                "accuracy": best.accuracy["rgb+flow"],
            }
        },
        "calibration": msgspec.structs.asdict(taught.calibration),
        "abstain_below": taught.abstain_below,
        # A copy of the graphs has no int8 ones beside it.
        "tolerance": {
            name: source.tolerance[name] for name in TOLERANCE if name in source.tolerance
        },
        "accuracy": accuracy,
        "licence": f"CNNs of bundle '{source.name}': {source.licence}; heads: {licence}",
        "attribution": [
            *source.attribution,
            f"taught from bundle '{source.name}' {source.version}",
            *attribution,
        ],
    }


def _entries(found: Measured, data_set: str, split: str) -> list[dict[str, Any]]:
    """The manifest's entries of one measurement."""
    confused = "; ".join(
        f"{each.true} taken for {each.predicted} {each.clips} times" for each in found.mistakes
    )
    note = (
        f"{found.clips} clips of {found.sources} sources, standard error "
        f"{found.standard_error:.3f}; calibration error {found.calibration_error:.3f} "
        f"(before {found.calibration_error_before:.3f}); {confused or 'no mistake'}"
    )
    common = {"data_set": data_set, "split": split}
    return [
        *(
            {**common, "protocol": _CLIPS, "streams": streams, "value": value, "note": note}
            for streams, value in found.accuracy.items()
        ),
        {
            **common,
            "protocol": _WINDOWS,
            "streams": "rgb+flow",
            "value": found.window_accuracy,
            "note": f"windows of {found.clips} clips",
        },
    ]


def lines(taught: Taught) -> list[str]:
    """For the screen."""
    found = _lines("sources left out, in turn", taught.left_out)
    if taught.tested is not None:
        found += ["", *_lines("test part", taught.tested)]
    if taught.known is not None:
        before, after = taught.known
        found.append(
            f"clips of the old classes: {before:.1%} right before, {after:.1%} with the new ones "
            "beside them"
        )
        absent = [name for name in taught.lesson.known if taught.left_out.classes[name] is None]
        if absent:
            found.append(f"without a clip here, so not known what they lose: {', '.join(absent)}")
    if taught.abstain_below > 0:
        found.append(
            f"below {taught.abstain_below:.2f} it gives no answer, so that at most one {IDLE} "
            "window in twenty is taken for an action"
        )
    return found


def _lines(title: str, found: Measured) -> list[str]:
    streams = ", ".join(f"{name} {value:.1%}" for name, value in found.accuracy.items())
    single = ", ".join(
        f"{name} {value:.0%}" for name, value in found.classes.items() if value is not None
    )
    return [
        f"{title}: {found.accuracy['rgb+flow']:.1%} of {found.clips} clips right "
        f"(standard error {found.standard_error:.1%}, {found.sources} sources)",
        f"  by stream: {streams}; of single windows {found.window_accuracy:.1%}",
        f"  by class: {single}",
        *(
            f"  {each.clips} clips of {each.true} were taken for {each.predicted}"
            for each in found.mistakes
        ),
        f"  expected calibration error {found.calibration_error:.3f}, before calibration "
        f"{found.calibration_error_before:.3f}",
    ]


def write_predictions(taught: Taught, path: Path) -> None:
    """One line a clip of the lesson: what it was taken for by heads that saw none of its source.

    Raises OutputError where the file can't be written.
    """
    clips, numbers = taught.predictions.of_clips()
    lesson = taught.lesson
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["clip", "source", "true", "predicted", "probability"])
            for number, probabilities in zip(numbers.tolist(), clips.fused, strict=True):
                clip = lesson.clips[number]
                best = int(probabilities.argmax())
                table.writerow(
                    [
                        str(clip.path),
                        lesson.group[clip],
                        clip.label,
                        lesson.classes[best],
                        f"{probabilities[best]:.3f}",
                    ]
                )
    except OSError as error:
        raise OutputError(f"{path} can't be written ({error.strerror}).") from error
