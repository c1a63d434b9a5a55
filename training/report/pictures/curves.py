"""Training curves: loss, what was right, and what drives or holds the training, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from training.report.pictures.canvas import COLOURS, NAMES, figure, styled

Line = Mapping[str, Any]  # of the history


class _Panel(NamedTuple):
    """What a panel shows of a stage's lines: the first of `keys` that a line has."""

    title: str
    keys: tuple[str, ...]


_RIGHT = _Panel("training clips that were right", ("right",))
_STAGES = {
    "stage1": (
        _Panel("First stage: loss", ("loss",)),
        _RIGHT,
        _Panel("learning rate", ("learning_rate",)),
    ),
    "stage2": (
        _Panel("Second stage: cross-entropy, (14)", ("cross_entropy", "loss")),
        _RIGHT,
        _Panel("temporal-attention regularisation, (12)", ("regularisation",)),
    ),
}


@styled
def training_curves(history: Sequence[Line]) -> Figure | None:
    """A row of panels for each stage that the history has lines of, both streams in each.

    A dotted vertical stands where a phase of its stream ends. None for an empty history.
    """
    by_stage = {
        stage: [line for line in history if line.get("stage") == stage] for stage in _STAGES
    }
    stages = [stage for stage, lines in by_stage.items() if lines]
    if not stages:
        return None
    drawn = figure(9.6, 2.5 * len(stages))
    grid = drawn.subplots(len(stages), len(_STAGES["stage1"]), squeeze=False)
    for row, stage in zip(grid, stages, strict=True):
        for axes, panel in zip(row, _STAGES[stage], strict=True):
            for stream in ("rgb", "flow"):
                lines = [line for line in by_stage[stage] if line.get("stream") == stream]
                _draw_stream(axes, stream, lines, panel.keys)
            axes.set_title(panel.title)
            axes.set_xlabel("steps of the optimiser")
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            axes.set_ylim(bottom=0)
            if panel is _RIGHT:
                axes.set_ylim(0, 1.02)
                axes.yaxis.set_major_formatter(PercentFormatter(1.0))
            if axes.lines:
                axes.legend(fontsize=7)
    return drawn


def _draw_stream(axes: Axes, stream: str, lines: Sequence[Line], keys: Sequence[str]) -> None:
    places = [float(line.get("iteration", index + 1)) for index, line in enumerate(lines)]
    points = [
        (place, float(line[key]))
        for place, line in zip(places, lines, strict=True)
        if (key := next((key for key in keys if key in line), None))
    ]
    if not points:
        return
    dot = "." if len(points) == 1 else None  # of which there would be no line to see
    axes.plot(*zip(*points, strict=True), color=COLOURS[stream], label=NAMES[stream], marker=dot)
    for (before, after), place in zip(pairwise(lines), places, strict=False):
        if before.get("phase") != after.get("phase"):
            axes.axvline(place, color=COLOURS[stream], linewidth=0.6, linestyle=(0, (1, 3)))
