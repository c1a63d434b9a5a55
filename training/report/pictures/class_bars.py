"""Accuracy of each class as bars: the paper's Fig. 4."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from training.report.pictures.canvas import COLOURS, figure, styled

_COLUMN = 36  # bars above one another; more of them go into a second column
_BAR_IN = 0.17
_WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}  # behind a number


@styled
def class_bars(confusion: NDArray[np.int64], classes: Sequence[str]) -> Figure:
    """Bars from the best class to the worst, each labelled with its count of clips.

    confusion [C, C]: row = the true class. Classes without a clip are left out. The dotted line
    is the accuracy over all clips.
    """
    counts = confusion.sum(1)
    shown = [index for index in range(len(classes)) if counts[index]]
    right = {index: confusion[index, index] / counts[index] for index in shown}
    order = sorted(shown, key=lambda index: (-right[index], classes[index]))
    columns = -(-len(order) // _COLUMN)
    rows = -(-len(order) // columns)
    drawn = figure(0.6 + 3.6 * columns, 0.7 + _BAR_IN * rows)
    overall = np.trace(confusion) / counts.sum()
    for number, axes in enumerate(drawn.subplots(1, columns, squeeze=False)[0]):
        part = order[number * rows : (number + 1) * rows]
        places = range(len(part))
        values = [right[index] for index in part]
        axes.barh(places, values, height=0.72, color=COLOURS["rgb+flow"])
        for place, value in zip(places, values, strict=True):
            axes.text(value + 0.01, place, f"{value:.0%}", va="center", fontsize=6.5, bbox=_WHITE)
        axes.set_yticks(
            list(places), [_label(classes[i], int(counts[i])) for i in part], fontsize=7
        )
        axes.set_ylim(rows - 0.4, -0.6)  # the best on top, and bars of one height in all columns
        axes.set_xlim(0, 1.09)
        axes.set_xticks(np.linspace(0, 1, 6))
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.grid(visible=False, axis="y")
        axes.axvline(float(overall), color="black", linestyle=(0, (1, 2)), linewidth=0.9)
        axes.set_xlabel("accuracy")
    return drawn


def _label(name: str, count: int) -> str:
    return f"{name} ({count})"
