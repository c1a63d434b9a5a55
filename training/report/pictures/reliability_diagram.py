"""How far a probability can be believed: accuracy by confidence (Guo et al., 2017)."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from training.report.pictures.canvas import COLOURS, GREY, figure, styled


@styled
def reliability_diagram(bins: Sequence[tuple[int, float, float]], width: float) -> Figure:
    """bins: count, mean confidence and accuracy of each that has a prediction. width: of a bin.

    Above, accuracy against confidence, on the diagonal where both agree; below, how many
    predictions each bin has.
    """
    counts, confidences, accuracies = zip(*bins, strict=True)
    last = round(1 / width) - 1
    lefts = [min(int(confidence / width), last) * width for confidence in confidences]
    drawn = figure(3.6, 4.2)
    above, below = drawn.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1, label="as sure as right")
    above.bar(
        lefts, accuracies, width, align="edge", color=COLOURS["rgb+flow"], alpha=0.3, edgecolor="w"
    )
    above.plot(
        confidences, accuracies, "o-", markersize=3, color=COLOURS["rgb+flow"], label="measured"
    )
    above.set_ylabel("accuracy")
    above.set_ylim(0, 1.02)
    above.yaxis.set_major_formatter(PercentFormatter(1.0))
    above.legend(loc="lower right", fontsize=7)
    below.bar(lefts, counts, width, align="edge", color=GREY, edgecolor="w")
    below.set_ylabel("predictions")
    below.set_xlabel("confidence: the largest class's probability")
    below.set_xlim(0, 1)
    below.xaxis.set_major_formatter(PercentFormatter(1.0))
    drawn.align_ylabels()
    return drawn
