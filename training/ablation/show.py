"""The tables of an ablation for a terminal, as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from training.ablation.paper import MAP
from training.ablation.study import Measured
from training.ablation.table import Line, Table
from training.whole_file import write_whole

_NAMES = {"rgb": "RGB", "flow": "Flow", "rgb+flow": "Two", MAP: "mAP"}
_FOCUS_HEADER = (
    "model",
    "gain",
    "stream",
    "attention inside",
    "share of area",
    "quotient",
    "clips",
)


def title(table: Table) -> str:
    """What a table is about: `jhmdb split 1`, `jhmdb mean of splits 1, 2, 3`."""
    numbers = ", ".join(str(split) for split in table.splits)
    kind = "split" if len(table.splits) == 1 else "mean of splits"
    return f"{table.data_set} {kind} {numbers}"


def header(table: Table) -> tuple[str, ...]:
    """Ours and the paper's for each column of a table."""
    return ("model", "gain", *(cell for c in table.columns for cell in (_NAMES[c], "paper")))


def cells(table: Table, *, differences: bool) -> list[tuple[str, ...]]:
    """A row of text for each line of a table, in the order of its header."""
    lines = table.differences if differences else table.rows
    sign = "+" if differences else ""

    def ours(line: Line, stream: str) -> str:
        text, deviation = f"{line.mean(stream):{sign}.1f}", line.deviation(stream)
        return text if deviation is None else f"{text} ± {deviation:.1f}"

    def papers(line: Line, stream: str) -> str:
        return f"{line.paper[stream]:{sign}.1f}" if stream in line.paper else ""

    return [
        (
            line.model,
            "" if line.gain is None else f"{line.gain:g}",
            *(cell for c in table.columns for cell in (ours(line, c), papers(line, c))),
        )
        for line in lines
    ]


def focus_cells(measured: Sequence[Measured], name: str, split: int) -> list[tuple[str, ...]]:
    """Where attention lay, for each variant with spatial attention and each stream."""
    return [
        (
            each.variant.row.name,
            f"{each.variant.gain:g}",
            _NAMES[stream],
            f"{found['inside']:.1%}",
            f"{found['area']:.1%}",
            f"{found['focus']:.2f}",
            f"{found['clips_above']} of {focus['used']}",
        )
        for each in measured
        if each.variant.split == split and (focus := each.report.attention_focus.get(name))
        for stream, found in focus["streams"].items()
    ]


def print_tables(console: Console, found: Sequence[Table], caption: str) -> None:
    """Rows and differences of every table."""
    for table in found:
        for differences, what in ((False, "accuracy, %"), (True, "differences, points")):
            shown = RichTable(title=f"{title(table)}, {table.clips} clips: {what}")
            for index, name in enumerate(header(table)):
                shown.add_column(name, justify="left" if index == 0 else "right")
            for row in cells(table, differences=differences):
                shown.add_row(*row)
            console.print(shown)
    console.print(caption, highlight=False, markup=False)


def markdown(found: Sequence[Table], measured: Sequence[Measured], caption: str) -> str:
    """Every table with its differences and where attention lay, below one caption."""
    parts = ["# Table 2, ours beside the paper's", caption]
    for table in found:
        parts.append(f"## {title(table)}")
        parts.append(f"Accuracy in percent, {table.clips} test clips.")
        parts.append(_grid(header(table), cells(table, differences=False)))
        parts.append("Differences between the rows, in points.")
        parts.append(_grid(header(table), cells(table, differences=True)))
        if len(table.splits) == 1:
            rows = focus_cells(measured, table.data_set, table.splits[0])
            if rows:
                parts.append(_focus_caption(measured, table))
                parts.append(_grid(_FOCUS_HEADER, rows))
    return "\n\n".join(parts) + "\n"


def write_tables(
    folder: Path,
    found: Sequence[Table],
    measured: Sequence[Measured],
    *,
    caption: str,
    described: Mapping[str, Any],
) -> None:
    """FOLDER/table2.md and table2.json. Raises OutputError where they can't be written."""
    report = {**described, "caption": caption, "tables": [table.to_dict() for table in found]}
    texts = {
        "table2.md": markdown(found, measured, caption),
        "table2.json": json.dumps(report, indent=1) + "\n",
    }
    for name, text in texts.items():
        write_whole(folder / name, text.encode())


def _focus_caption(measured: Sequence[Measured], table: Table) -> str:
    focus = next(
        found
        for each in measured
        if each.variant.split == table.splits[0]
        and (found := each.report.attention_focus.get(table.data_set))
    )
    return (
        f"Spatial attention inside the moving region (flow above {focus['moving_px']:g} px a grid "
        f"step), centre crop, on the {focus['used']} clips ({focus['frames']} frames) with a still "
        f"camera (median flow below {focus['still_px']:g} px: {focus['still_camera']} of "
        f"{focus['clips']}) and a moving region of 1 to 50 % of the frame. An even map has the "
        "region's share of the area inside: quotient 1. Clips: those with more than that."
    )


def _grid(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
