"""Which class is taken for which: the paper's Fig. 5."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from training.report.pictures.canvas import figure, styled

_NUMBERED = 30  # classes up to which every cell has its number
_COLOUR_MAP = "viridis"  # the brighter, the more, as in the paper


@styled
def confusion_matrix(confusion: NDArray[np.int64], classes: Sequence[str]) -> Figure:
    """Each true class's clips by what they were taken for, in percent of the row.

    confusion [C, C]: row = the true class. Rows without a clip are left out.
    """
    shown = np.flatnonzero(confusion.sum(1)).tolist()
    parts = confusion[shown] / confusion[shown].sum(1, keepdims=True)  # [rows, C]
    many = len(classes) > _NUMBERED
    side_in = 2.2 + (0.105 if many else 0.27) * len(classes)
    size = 4.6 if many else 7
    drawn = figure(side_in, side_in * 0.94)
    axes = drawn.subplots()
    # Small parts would not be seen beside the diagonal where no number stands in them.
    norm = PowerNorm(0.5 if many else 1.0, vmin=0, vmax=1)
    image = axes.imshow(parts, cmap=_COLOUR_MAP, norm=norm, aspect="auto")
    axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=size)
    axes.set_yticks(range(len(shown)), [classes[index] for index in shown], fontsize=size)
    axes.tick_params(length=0, pad=2)
    axes.grid(visible=False)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("actual class")
    if not many:
        for row, column in np.argwhere(parts > 0):
            value = parts[row, column]
            colour = "black" if value > 0.6 else "white"
            axes.text(
                column,
                row,
                f"{100 * value:.0f}",
                ha="center",
                va="center",
                fontsize=6,
                color=colour,
            )
    bar = drawn.colorbar(image, ax=axes, fraction=0.03, pad=0.01, format=PercentFormatter(1.0))
    bar.set_label("part of the actual class's clips")
    bar.outline.set_visible(False)
    return drawn
