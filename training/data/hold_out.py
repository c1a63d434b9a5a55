"""Clips kept back from training, whole sources at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from training.data.annotations import Clip


def hold_out(clips: Sequence[Clip], share: float, seed: int) -> tuple[list[Clip], list[Clip]]:
    """Split `clips` into those to train on and those held out, both in their order.

    Clips of one source video stay together. share: of each class's clips, rounded to the nearest
    number; no class gives up more, so one whose sources are all larger gives up none, nor does a
    class its only source. `seed` draws the order in which sources are considered.
    """
    of_class = Counter(clip.label for clip in clips)
    room = {label: round(share * count) for label, count in of_class.items()}
    of_source: dict[str, Counter[str]] = {}
    for clip in clips:
        of_source.setdefault(clip.group, Counter())[clip.label] += 1
    sources_left = Counter(label for labels in of_source.values() for label in labels)
    held: set[str] = set()
    for source in np.random.default_rng(seed).permutation(sorted(of_source)).tolist():
        labels = of_source[source]
        if all(room[label] >= labels[label] and sources_left[label] > 1 for label in labels):
            held.add(source)
            for label in labels:
                room[label] -= labels[label]
                sources_left[label] -= 1
    return (
        [clip for clip in clips if clip.group not in held],
        [clip for clip in clips if clip.group in held],
    )
