"""What all pictures share: size of type, colours, and how they are kept. No window is needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.errors import OutputError

P = ParamSpec("P")
R = TypeVar("R")

DPI = 160

# Okabe and Ito's colours, which people who confuse red and green can tell apart.
COLOURS = {"rgb": "#d55e00", "flow": "#0072b2", "rgb+flow": "#009e73"}
NAMES = {"rgb": "RGB", "flow": "flow", "rgb+flow": "two streams"}
GREY = "#777777"

STYLE: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.3,
}


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Decorates a function that draws: its pictures have the common style."""

    @wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return in_style


def figure(width_in: float, height_in: float) -> Figure:
    """An empty picture that finds room for its labels by itself."""
    return Figure(figsize=(width_in, height_in), layout="constrained")


def plain(axes: Axes) -> None:
    """No frame, no ticks, no grid: for images."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def keep(drawn: Figure, path: Path) -> None:
    """Write a picture as PNG. Raises OutputError where it can't be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # No date and no version inside: the same numbers give the same file.
        drawn.savefig(path, dpi=DPI, metadata={"Software": None})
    except OSError as error:
        raise OutputError(f"{path} can't be written ({error.strerror}).") from error
