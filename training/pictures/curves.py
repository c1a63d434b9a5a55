"""Training curves: loss and the part of training clips that were right, stage by stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from training.pictures.canvas import COLOURS, NAMES, figure, styled

Line = Mapping[str, Any]  # of the history
_STAGES = {"stage1": "first stage", "stage2": "second stage"}
_LOSSES = (("loss", "-"), ("cross_entropy", "--"), ("regularisation", ":"))
_PARTS = {"loss": "", "cross_entropy": ", cross-entropy", "regularisation": ", regularisation"}


@styled()
def training_curves(history: Sequence[Line]) -> Figure | None:
    """A row for each stage that the history has lines of, with the loss on the left and what was
    right on the right; None for an empty history."""
    stages = [stage for stage in _STAGES if any(line.get("stage") == stage for line in history)]
    if not stages:
        return None
    drawn = figure(7.2, 2.6 * len(stages))
    grid = drawn.subplots(len(stages), 2, squeeze=False)
    for row, stage in zip(grid, stages, strict=True):
        lines = [line for line in history if line.get("stage") == stage]
        loss, right = row
        for stream in ("rgb", "flow"):
            _draw_stream(loss, right, stream, [x for x in lines if x.get("stream") == stream])
        loss.set_title(f"{_STAGES[stage].capitalize()}: loss")
        right.set_title(f"{_STAGES[stage].capitalize()}: training clips that were right")
        right.yaxis.set_major_formatter(PercentFormatter(1.0))
        right.set_ylim(0, 1.02)
        loss.set_ylim(bottom=0)
        for axes in row:
            axes.set_xlabel("steps of the optimiser")
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        loss.legend(fontsize=7)
        right.legend(fontsize=7, loc="lower right")
    return drawn


def _draw_stream(loss: Axes, right: Axes, stream: str, lines: Sequence[Line]) -> None:
    places = [float(line.get("iteration", index + 1)) for index, line in enumerate(lines)]
    for key, style in _LOSSES:
        points = _points(places, lines, key)
        if points:
            name = NAMES[stream] + _PARTS[key]
            loss.plot(*zip(*points, strict=True), style, color=COLOURS[stream], label=name)
    points = _points(places, lines, "right")
    if points:
        right.plot(*zip(*points, strict=True), color=COLOURS[stream], label=NAMES[stream])
    for place in _phase_starts(places, lines):
        for axes in (loss, right):
            axes.axvline(place, color=COLOURS[stream], linewidth=0.6, linestyle=(0, (1, 3)))


def _points(places: Iterable[float], lines: Sequence[Line], key: str) -> list[tuple[float, float]]:
    return [(x, float(line[key])) for x, line in zip(places, lines, strict=True) if key in line]


def _phase_starts(places: Sequence[float], lines: Sequence[Line]) -> list[float]:
    """Where each phase but the first begins: at the last line of the one before."""
    pairs = zip(lines, lines[1:], places, strict=False)
    return [x for before, after, x in pairs if before.get("phase") != after.get("phase")]
