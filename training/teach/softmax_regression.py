"""Softmax regression: the classifier that a head begins with, fitted in seconds and to the end.

Shapes: n rows, D feature width, C classes, F of them with fixed scores.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# Of L-BFGS on a convex objective: where it stops, no probability moves by more than a thousandth.
_ITERATIONS = 60
_CHANGE = 1e-6


def fit_softmax(
    rows: Tensor,
    labels: Tensor,
    weights: Tensor,
    classes: int,
    *,
    decay: float,
    fixed: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """rows [n, D], labels [n], weights [n] -> W [C, D] and b [C], scores = rows @ W.T + b.

    Minimises the weighted mean cross-entropy + decay · |W|², with the features scaled to unit
    variance (the W that is returned takes them unscaled).

    fixed: scores [n, F] of classes that are known already and stay as they are. They come first:
    labels below F mean these, and the C classes fitted here are F, F + 1, ...
    """
    mean = rows.mean(0)
    std = rows.std(0, unbiased=False)
    std = std.clamp_min(float(std.mean()) * 0.05 + 1e-6)  # a feature that hardly varies stays small
    scaled = (rows - mean) / std
    weights = weights / weights.sum()
    W = torch.zeros(classes, rows.shape[1], requires_grad=True)
    b = torch.zeros(classes, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [W, b], max_iter=_ITERATIONS, tolerance_change=_CHANGE, line_search_fn="strong_wolfe"
    )

    def objective() -> Tensor:
        optimiser.zero_grad()
        scores = scaled @ W.T + b  # [n, C]
        if fixed is not None:
            scores = torch.cat((fixed, scores), dim=1)  # [n, F + C]
        entropy = F.cross_entropy(scores, labels, reduction="none")
        loss = (weights * entropy).sum() + decay * W.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(objective)  # type: ignore[no-untyped-call]
    W, b = W.detach() / std, b.detach()
    return W, b - W @ mean


def balanced_weights(labels: Tensor, clips: Tensor) -> Tensor:
    """[n]: all classes weigh the same, in a class all clips, in a clip all of its rows.

    labels [n]; clips [n]: the number of the clip that each row is of.
    """
    rows_of_clip = torch.bincount(clips)[clips]  # [n]
    share = 1.0 / rows_of_clip
    clips_of_class = torch.zeros(int(labels.max()) + 1).index_add(0, labels, share)
    weights: Tensor = share / clips_of_class[labels]
    return weights
