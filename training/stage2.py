"""The second stage: key-frame exploration of one stream, on features of its frozen CNN.

Shapes: B batch, N segments, k frames per segment, T ticks of a clip, D feature width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.arrays import F32
from training.binary_classifiers import judge_frames
from training.data.frame_store import StoredClip
from training.data.sampling import global_ticks
from training.features import Features
from training.losses import stage2_loss
from training.model.build import Modality
from training.model.consensus import segment_consensus
from training.model.key_frames import KeyFrameExploration
from training.progress import Progress
from training.recipe import Stage2

_REPORT_EVERY = 100  # iterations


@dataclass(frozen=True)
class FeatureClip:
    """A clip's features [T, D] of each view, and which of its ticks don't show its action [T]."""

    label: int
    views: tuple[F32, ...]
    false: NDArray[np.bool_]


def train_stage2(
    modality: Modality,
    clips: Mapping[str, Sequence[FeatureClip]],
    head: KeyFrameExploration,
    *,
    settings: Stage2,
    segments: int,
    frames_per_segment: int,
    seed: int,
    progress: Progress,
) -> KeyFrameExploration:
    """Train one stream's `head`, in place; returns it in eval mode.

    clips: by the name of their set, as `settings.draw` names them.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.SGD(
        head.parameters(),
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, settings.step_every, gamma=0.1)
    head.train()
    sums, seen = np.zeros(4), 0
    with progress.task(f"{modality} key frames", settings.iterations) as advance:
        for iteration in range(1, settings.iterations + 1):
            chosen = _draw(clips, settings, rng)
            features, labels, false = window_batch(chosen, segments, frames_per_segment, rng)
            scores, beta = head(features)  # [B, n, C], [B, n, t]
            scores = segment_consensus(scores)
            loss = stage2_loss(
                scores, labels, beta, false, label_smoothing=settings.label_smoothing
            )
            optimiser.zero_grad()
            loss.total.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            right = (scores.argmax(1) == labels).float().mean()
            parts = (loss.total, loss.cross_entropy, loss.regularisation, right)
            sums, seen = sums + [part.item() for part in parts], seen + 1
            if iteration % _REPORT_EVERY == 0 or iteration == settings.iterations:
                total, entropy, regular, part_right = sums / seen
                progress.note(
                    f"{modality} key frames {iteration}/{settings.iterations}: loss {total:.4f} = "
                    f"cross-entropy {entropy:.4f} + regularisation {regular:.5f}, "
                    f"right {part_right:.1%}"
                )
                sums, seen = np.zeros(4), 0
            advance()
    return head.eval()


def feature_clips(
    sets: Mapping[str, tuple[Sequence[StoredClip], Sequence[Features]]],
    classes: Sequence[str],
    *,
    folds: int,
    seed: int,
) -> tuple[dict[str, list[FeatureClip]], float]:
    """Every set's clips and views, with the verdicts of cross-fitted classifiers on each tick.

    The classifiers see view 0, the centre crop: a tick shows the action or doesn't, in any view.
    Also returns the part of all frames that were judged true.
    """
    number = {label: index for index, label in enumerate(classes)}
    features, labels, groups = {}, {}, {}
    for name, (clips, views) in sets.items():
        for clip in clips:
            key = f"{name}/{clip.key}"
            features[key] = views[0][clip.key]
            labels[key], groups[key] = number[clip.label], f"{name}/{clip.group}"
    true = judge_frames(features, labels, groups, len(classes), folds=folds, seed=seed)
    found = {
        name: [
            FeatureClip(
                number[clip.label],
                tuple(view[clip.key] for view in views),
                ~true[f"{name}/{clip.key}"],
            )
            for clip in clips
        ]
        for name, (clips, views) in sets.items()
    }
    return found, float(np.concatenate(list(true.values())).mean())


def window_batch(
    clips: Sequence[FeatureClip], segments: int, k: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Features [B, n, t, D], labels [B] and false frames [B, n, t] of one random kind of window.

    Half of the batches are `global` (random ticks spread over the clip, n = N, t = k). The others
    are what a stream's window holds after a random number of samples: a part of one segment, or
    one to N whole segments of consecutive ticks. Clips too short for it sit that batch out.
    """
    spread = bool(rng.random() < 0.5)
    length = segments * k if spread else int(rng.integers(1, segments * k + 1))
    n, t = (max(1, length // k), min(length, k))
    features, labels, false = [], [], []
    for clip in clips:
        ticks = len(clip.false)
        if spread:
            places = global_ticks(ticks, n * t, rng)
        elif ticks < n * t:
            continue
        else:
            first = int(rng.integers(0, ticks - n * t + 1))
            places = list(range(first, first + n * t))
        view = clip.views[int(rng.integers(len(clip.views)))]
        features.append(view[places].reshape(n, t, -1))
        false.append(clip.false[places].reshape(n, t))
        labels.append(clip.label)
    if not labels:  # every clip drawn is too short: a small set. Spread windows always fit.
        return window_batch(clips, segments, k, rng)
    return (
        torch.from_numpy(np.stack(features)),
        torch.tensor(labels),
        torch.from_numpy(np.stack(false)),
    )


def _draw(
    clips: Mapping[str, Sequence[FeatureClip]], settings: Stage2, rng: np.random.Generator
) -> list[FeatureClip]:
    """A batch with the sets in the proportion of `draw`."""
    names = list(settings.draw)
    weights = np.array([settings.draw[name] for name in names], np.float64)
    sizes = rng.multinomial(settings.batch, weights / weights.sum())
    return [
        clips[name][index]
        for name, size in zip(names, sizes, strict=True)
        for index in rng.integers(len(clips[name]), size=size)
    ]
