"""Our Table 2 beside the paper's: the rows, and the differences from each row to the next.

All numbers are accuracies in percent, or differences of two in points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, stdev
from typing import Any

from training.ablation.paper import MAP, STREAMS, reported
from training.ablation.rows import ROWS
from training.ablation.study import Measured
from training.recipe import Set

Key = tuple[int, int | None]  # seed of the first stage, of the second
By = Mapping[str, float]  # the accuracy of each stream, and the mean average precision


@dataclass(frozen=True)
class Line:
    """A row, or a difference of two: what was measured with each seed, and the paper's."""

    model: str
    gain: float | None
    measured: Mapping[Key, By]
    paper: By

    def mean(self, stream: str) -> float:
        return fmean(each[stream] for each in self.measured.values())

    def deviation(self, stream: str) -> float | None:
        """The standard deviation over seeds; None for a single one."""
        values = [each[stream] for each in self.measured.values()]
        return stdev(values) if len(values) > 1 else None

    def to_dict(self) -> dict[str, Any]:
        accuracy = {
            stream: {
                "mean": self.mean(stream),
                "deviation": self.deviation(stream),
                "values": [each[stream] for each in self.measured.values()],
            }
            for stream in (*STREAMS, MAP)
        }
        return {
            "model": self.model,
            "gain": self.gain,
            "accuracy": accuracy,
            "paper": dict(self.paper),
        }


@dataclass(frozen=True)
class Table:
    """One data set on one split, or the mean over several.

    columns: of what can be shown those that the paper has. clips: tested, on all splits.
    """

    data_set: str
    columns: tuple[str, ...]
    splits: tuple[int, ...]
    clips: int
    rows: tuple[Line, ...]
    differences: tuple[Line, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "data_set": self.data_set,
            "splits": list(self.splits),
            "clips": self.clips,
            "rows": [line.to_dict() for line in self.rows],
            "differences": [line.to_dict() for line in self.differences],
        }


def tables(measured: Sequence[Measured], sets: Mapping[str, Set]) -> list[Table]:
    """For each test set a table for each split; and where there are several, their mean.

    sets: the recipe's. By its layout a set finds the paper's figures, which are of test parts.
    """
    splits = tuple(sorted({each.variant.split for each in measured}))
    chosen = [(split,) for split in splits] + ([splits] if len(splits) > 1 else [])
    return [
        _table(measured, name, sets[name], part)
        for name in measured[0].report.results
        for part in chosen
    ]


def _table(
    measured: Sequence[Measured], name: str, described: Set, splits: tuple[int, ...]
) -> Table:
    data_set, tested = described.layout, described.part == "test"
    here = [each for each in measured if each.variant.split in splits]
    rows = tuple(
        Line(
            row.name,
            gain,
            _accuracies([m for m in here if (m.variant.row, m.variant.gain) == (row, gain)], name),
            reported(data_set, row.name, splits) if tested else {},
        )
        for row in ROWS
        for gain in dict.fromkeys(m.variant.gain for m in here if m.variant.row == row)
    )
    counted = {m.variant.split: m.report.results[name].count for m in here}
    columns = (*STREAMS, MAP) if data_set == "thumos14" else STREAMS
    return Table(name, columns, splits, sum(counted.values()), rows, tuple(_differences(rows)))


def _accuracies(measured: Sequence[Measured], name: str) -> dict[Key, By]:
    """In percent, by seed; the mean where a seed has several splits."""
    found: dict[Key, list[By]] = {}
    for each in measured:
        result, key = each.report.results[name], (each.variant.seed, each.variant.head)
        accuracy = result.accuracy
        by = (accuracy.rgb, accuracy.flow, accuracy.fused, result.mean_average_precision)
        found.setdefault(key, []).append(dict(zip((*STREAMS, MAP), by, strict=True)))
    return {
        key: {column: 100 * fmean(each[column] for each in parts) for column in (*STREAMS, MAP)}
        for key, parts in found.items()
    }


def _differences(rows: Sequence[Line]) -> list[Line]:
    """Row after row, gain by gain; the paper's where it has both rows."""
    found = []
    for gain in dict.fromkeys(row.gain for row in rows if row.gain is not None):
        column = [row for row in rows if row.gain in (None, gain)]
        for before, after in pairwise(column):
            found.append(
                Line(
                    f"{after.model} - {before.model}",
                    gain,
                    {
                        (seed, head): _minus(by, before.measured[_below(seed, head, before)])
                        for (seed, head), by in after.measured.items()
                    },
                    _minus(after.paper, before.paper),
                )
            )
    return found


def _below(seed: int, head: int | None, before: Line) -> Key:
    """The key in `before` of what a model is held against: the same first stage."""
    return (seed, head) if (seed, head) in before.measured else (seed, None)


def _minus(after: By, before: By) -> dict[str, float]:
    return {key: after[key] - before[key] for key in after if key in before}
