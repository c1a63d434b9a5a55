"""Parts of a small set of clips, of which each in turn is left out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np


def spread_folds(
    labels: Sequence[int], groups: Sequence[str], folds: int, seed: int = 0
) -> list[int]:
    """A fold for each clip: a group lies in one fold, and each class is spread over the folds.

    The largest groups are placed first, each where it makes the classes least uneven; the second
    group of a class never joins the first where another fold is free of that trouble, since a
    class that is left out whole can't be learnt.
    """
    wanted = Counter(labels)
    members: dict[str, Counter[int]] = defaultdict(Counter)
    for label, group in zip(labels, groups, strict=True):
        members[group][label] += 1
    names = sorted(members)
    order = np.random.default_rng(seed).permutation(len(names))  # for groups of one size
    names = sorted((names[index] for index in order), key=lambda name: -members[name].total())
    filled: list[Counter[int]] = [Counter() for _ in range(folds)]
    place: dict[str, int] = {}
    for name in names:
        fold = min(range(folds), key=lambda fold: _trouble(filled, fold, members[name], wanted))
        filled[fold] += members[name]
        place[name] = fold
    return [place[group] for group in groups]


def _trouble(
    filled: Sequence[Counter[int]], fold: int, added: Counter[int], wanted: Counter[int]
) -> tuple[int, float, int]:
    """What speaks against a fold: classes that lie in it alone, unevenness, its clips so far."""
    alone = sum(
        filled[fold][label] > 0 and filled[fold][label] == sum(each[label] for each in filled)
        for label in added
    )
    uneven = sum(
        ((filled[fold][label] + count) ** 2 - filled[fold][label] ** 2) / wanted[label] ** 2
        for label, count in added.items()
    )
    return alone, uneven, filled[fold].total()
