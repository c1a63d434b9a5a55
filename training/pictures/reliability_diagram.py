"""How far a probability can be believed: accuracy by confidence (Guo et al., 2017)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from training.pictures.canvas import COLOURS, GREY, figure, styled


@styled
def reliability_diagram(bins: Sequence[Bin]) -> Figure:
    """bins: {count, confidence, accuracy} of each that has a prediction. count: of possible bins.

    Above, accuracy against mean confidence, on the diagonal where both agree; below, how many
    predictions each bin has.
    """
    drawn = figure(3.6, 4.4)
    above, below = drawn.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    width = 1 / count
    lefts = [min(int(each["confidence"] * count), count - 1) * width for each in bins]
    above.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1, label="as sure as right")
    above.bar(
        lefts,
        [each["accuracy"] for each in bins],
        width=width,
        align="edge",
        color=COLOURS["rgb+flow"],
        alpha=0.35,
        edgecolor="white",
    )
    above.plot(
        [each["confidence"] for each in bins],
        [each["accuracy"] for each in bins],
        "o-",
        markersize=3.5,
        color=COLOURS["rgb+flow"],
        label="measured",
    )
    above.set_ylabel("accuracy")
    above.set_ylim(0, 1.02)
    above.yaxis.set_major_formatter(PercentFormatter(1.0))
    above.legend(loc="upper left", fontsize=7)
    below.bar(
        lefts,
        [each["count"] for each in bins],
        width=width,
        align="edge",
        color=GREY,
        edgecolor="white",
    )
    below.set_ylabel("predictions")
    below.set_xlabel("confidence: the largest class's probability")
    below.set_xlim(0, 1)
    below.xaxis.set_major_formatter(PercentFormatter(1.0))
    return drawn
