"""RUN/report/: everything that a run's folder says of it, as one page and as pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from msgspec.structs import astuple

from training.ablation.report import ROW_FILE, read_row
from training.errors import DataError
from training.evaluation.metrics import BINS
from training.evaluation.results import Metrics, Result, read_metrics
from training.report.explain import Explanation
from training.report.numbers import number_tables
from training.report.pictures.attention import attention_picture
from training.report.pictures.class_bars import class_bars
from training.report.pictures.confusion_matrix import confusion_matrix
from training.report.pictures.curves import training_curves
from training.report.pictures.page import Picture, Section, Text, write_page
from training.report.pictures.reliability_diagram import reliability_diagram

_ROLES = {"global": 2, "grid": 1}  # which protocol's classes are drawn, where there are several


def write_report(folder: Path, explained: Sequence[Explanation] = ()) -> Path:
    """Write FOLDER/report/index.html and its pictures; returns the page's path.

    What the run doesn't have yet is left out. Raises DataError where it has nothing to show or a
    damaged file, OutputError where the report can't be written.
    """
    metrics = _metrics(folder)
    results = metrics.results if metrics else ()
    sections = [
        Section("Table 2 of the paper", texts=_texts(folder, ("table2.md",))),
        Section("What was measured", tables=number_tables(metrics) if metrics else ()),
        Section("Class by class", pictures=_of_classes(results)),
        Section("How far it can be believed", pictures=_of_calibration(results)),
        Section("Where it looks", pictures=[_of_attention(each) for each in explained]),
        Section("How it learnt", pictures=_of_history(folder)),
        Section(
            "What it was made of and where",
            texts=_texts(folder, ("config.json", "environment.json")),
        ),
    ]
    if not any(section.tables or section.pictures or section.texts for section in sections):
        raise DataError(f"Nothing has come of {folder} yet: run `gesta-train stage1` first.")
    return write_page(
        folder / "report",
        title=f"Run {folder.resolve().name}",
        lead="STA-TSN: spatial-temporal attention over the segments of a clip, in two streams.",
        sections=sections,
    )


def _metrics(folder: Path) -> Metrics | None:
    """What `evaluate` measured, or `ablate` of one of its rows."""
    if (folder / "metrics.json").is_file():
        return read_metrics(folder / "metrics.json")
    if (folder / ROW_FILE).is_file():
        results = tuple(read_row(folder / ROW_FILE).results.values())
        return Metrics(classes=tuple(results[0].average_precision), results=results)
    return None


def _of_classes(results: Sequence[Result]) -> list[Picture]:
    pictures = []
    for found in _shown(results):
        confusion, classes = np.array(found.confusion), tuple(found.class_accuracy or ())
        name = f"{found.data_set}_{found.flow}"
        pictures.append(
            Picture(
                f"classes_{name}",
                f"Accuracy of each class: {_described(found)}. In brackets the number of "
                f"{found.unit}; the dotted line is the accuracy over all of them, "
                f"{found.accuracy.fused:.1%}.",
                class_bars(confusion, classes),
            )
        )
        pictures.append(
            Picture(
                f"confusion_{name}",
                f"Confusion matrix: {_described(found)}. Each row adds up to 100 %.",
                confusion_matrix(confusion, classes),
            )
        )
    return pictures


def _of_calibration(results: Sequence[Result]) -> list[Picture]:
    return [
        Picture(
            f"reliability_{found.data_set}_{found.flow}",
            f"Accuracy by confidence, two streams: {_described(found)}. Expected calibration error "
            f"{found.calibration_error.fused:.3f}; {found.calibration_error_before.fused:.3f} "
            "without the temperatures.",
            reliability_diagram([astuple(each) for each in found.reliability], 1 / BINS),
        )
        for found in _shown(results)
        if found.reliability
    ]


def _of_attention(explained: Explanation) -> Picture:
    clip = explained.clip
    name = "".join(letter if letter.isalnum() else "_" for letter in clip.key)
    verdict = "rightly" if explained.predicted in clip.labels else "wrongly"
    taken_for = f"{verdict} taken for {explained.predicted} ({explained.confidence:.0%})"
    return Picture(
        f"attention_{name}",
        f"{clip.key}, {taken_for}; drawn at random. For each segment its frames with their ticks, "
        "the same in the light of each stream's spatial attention (undimmed where it is largest), "
        "and the temporal attention of each stream.",
        attention_picture(explained.seen),
    )


def _of_history(folder: Path) -> list[Picture]:
    lines = []
    for line in _read(folder / "history.jsonl").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:  # half a line: a process was killed while it wrote
            continue
    drawn = training_curves(lines)
    caption = (
        "Loss and accuracy while training, as means since the point before. First stage: on "
        "augmented clips of the training part; second: on the features of its frames. Dotted "
        "verticals: a new phase of the recipe, or of the learning rate."
    )
    return [Picture("curves", caption, drawn)] if drawn else []


def _shown(results: Sequence[Result]) -> list[Result]:
    """For each data set and flow the result to draw: the paper's protocol, of the most crops."""
    chosen: dict[tuple[str, str], Result] = {}
    for found in results:
        if found.confusion is None:
            continue
        key = found.data_set, found.flow
        if key not in chosen or _rank(found) > _rank(chosen[key]):
            chosen[key] = found
    return list(chosen.values())


def _rank(found: Result) -> tuple[int, int]:
    return _ROLES.get(found.protocol, 0), found.crops


def _described(found: Result) -> str:
    crops = "1 crop" if found.crops == 1 else f"{found.crops} crops"
    return (
        f"{found.data_set} {found.split}, {found.count} {found.unit}, protocol "
        f"{found.protocol}, {crops}, flow {found.flow}"
    )


def _texts(folder: Path, names: Sequence[str]) -> list[Text]:
    return [Text(name, _read(folder / name)) for name in names if (folder / name).is_file()]


def _read(path: Path) -> str:
    """The text of a file, empty where there is none. Raises DataError where it can't be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read ({error}).") from error
