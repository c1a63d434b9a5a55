"""Where a model looks and which frames it goes by: the paper's Fig. 6.

Shapes: N segments, k frames per segment, S crop side in px, h w rows and columns of a map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecFromSubplotSpec
from matplotlib.ticker import MaxNLocator

from engine.arrays import F32, U8
from engine.attention import mask
from training.report.pictures.canvas import COLOURS, GREY, NAMES, figure, plain, styled

_FRAME_IN = 0.72
_DARKEST = 0.25  # what is left of a frame where there is no attention at all


@dataclass(frozen=True)
class Explained:
    """One clip as the model saw it.

    frames: uint8 [N·k, S, S, 3], the centre crop. ticks: of those frames. spatial: by stream,
    [N·k, h, w]. temporal: by stream, [N, k], each segment summing to 1.
    """

    frames: U8
    ticks: tuple[int, ...]
    spatial: Mapping[str, F32]
    temporal: Mapping[str, F32]


@styled
def attention_picture(clip: Explained) -> Figure:
    """A block for each segment: its frames, the frames below each stream's spatial attention (the
    brighter, the more), and each stream's temporal attention as bars."""
    streams = list(clip.temporal)
    segments, k = clip.temporal[streams[0]].shape
    lines = 1 + len(streams)
    drawn = figure(0.7 + _FRAME_IN * k, segments * (_FRAME_IN * lines + 0.95))
    drawn.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    outer = drawn.add_gridspec(segments, 1, hspace=0.06)
    highest = max(float(beta.max()) for beta in clip.temporal.values())
    for segment in range(segments):
        box = GridSpecFromSubplotSpec(
            lines + 1,
            k,
            outer[segment],
            height_ratios=(*[1.0] * lines, 0.75),
            wspace=0.02,
            hspace=0.03,
        )
        for place in range(k):
            number = segment * k + place
            pictures = [clip.frames[number]]
            pictures += [lit(clip.frames[number], clip.spatial[each][number]) for each in streams]
            for line, picture in enumerate(pictures):
                axes = drawn.add_subplot(box[line, place])
                axes.imshow(picture, interpolation="bilinear")
                plain(axes)
                if line == 0:
                    axes.set_title(str(clip.ticks[number]), fontsize=6.5, pad=1.5, loc="center")
                if place == 0:
                    name = "frames" if line == 0 else f"spatial,\n{NAMES[streams[line - 1]]}"
                    axes.set_ylabel(name, fontsize=6.5)
        bars = drawn.add_subplot(box[lines, :])
        for index, stream in enumerate(streams):
            places = np.arange(k) + (index - (len(streams) - 1) / 2) * 0.36
            beta = clip.temporal[stream][segment]
            bars.bar(places, beta, width=0.34, color=COLOURS[stream], label=NAMES[stream])
        bars.axhline(1 / k, color=GREY, linestyle=":", linewidth=0.8, label=f"even: {1 / k:g}")
        bars.set_xlim(-0.5, k - 0.5)
        bars.set_ylim(0, 1.15 * max(highest, 1 / k))
        bars.set_xticks([])
        # As many ticks whatever room there turns out to be: more would push the label out.
        bars.yaxis.set_major_locator(MaxNLocator(2))
        bars.grid(visible=False, axis="x")
        bars.set_ylabel("temporal", fontsize=6.5)
        bars.tick_params(labelsize=6.5)
        if segment == segments - 1:
            bars.legend(ncols=3, fontsize=6.5, loc="upper center", bbox_to_anchor=(0.5, -0.08))
        bars.text(
            1.004,
            0.5,
            f"segment {segment + 1}",
            rotation=270,
            va="center",
            fontsize=7,
            transform=bars.transAxes,
        )
    return drawn


def lit(frame: U8, attention: F32) -> U8:
    """A frame [S, S, 3] in the light of its attention [h, w]: as it is where that is largest."""
    side = frame.shape[0]
    light = mask(attention, (side, side))[..., None]  # [S, S, 1]
    return cast(U8, (frame * (_DARKEST + (1 - _DARKEST) * light)).astype(np.uint8))
