"""Clips kept back from training, whole sources at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.data.annotations import Clip


def hold_out(clips: Sequence[Clip], share: float, seed: int) -> tuple[list[Clip], list[Clip]]:
    """Split `clips` into those to train on and those held out, both in their order.

    Clips of one source video stay together. share: of the sources, rounded to the nearest number;
    which of them is drawn by `seed`. A source without which a class would have no clip left to
    train on is never held out.
    """
    sources = sorted({clip.group for clip in clips})
    wanted = round(share * len(sources))
    labels_of = {source: {c.label for c in clips if c.group == source} for source in sources}
    sources_left = {
        label: sum(label in labels for labels in labels_of.values())
        for label in {clip.label for clip in clips}
    }
    held: set[str] = set()
    for index in np.random.default_rng(seed).permutation(len(sources)):
        source = sources[index]
        if len(held) == wanted:
            break
        if all(sources_left[label] > 1 for label in labels_of[source]):
            held.add(source)
            for label in labels_of[source]:
                sources_left[label] -= 1
    return (
        [clip for clip in clips if clip.group not in held],
        [clip for clip in clips if clip.group in held],
    )
