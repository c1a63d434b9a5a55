"""The second stage: key-frame exploration of one stream, on features of its frozen CNN.

Several processes would have little to share here: a step is an LSTM of 30 features a clip, over in
less time than its gradients take between machines. Two streams may train side by side.

Shapes: B batch, N segments, k frames per segment, T ticks of a clip, D feature width.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.arrays import F32
from training.binary_classifiers import judge_frames
from training.checkpoint import load_checkpoint, save_checkpoint
from training.data.frame_store import StoredClip
from training.data.sampling import global_ticks
from training.device import seed_torch
from training.errors import RecipeError
from training.features import Features
from training.history import Curve
from training.losses import stage2_loss
from training.model.build import Modality
from training.model.consensus import segment_consensus
from training.model.key_frames import KeyFrameExploration
from training.progress import Progress
from training.recipe import Stage2

_REPORT_EVERY = 100  # iterations
_KEEP_EVERY = 500  # a multiple of it, so that no line of the history is of a part
_MEASURED = ("loss", "cross_entropy", "regularisation", "right", "judged_false")


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
    sample_every: int = 1,
    checkpoint: Path | None = None,
    trained_on: Mapping[str, str] | None = None,
    history: Path | None = None,
) -> KeyFrameExploration:
    """Train one stream's `head`, in place and on the device it is on; returns it in eval mode.

    What is random follows from `seed` and the iteration. `head` begins as it is, so its weights
    must have been drawn from the seed too.

    Args:
        clips: by the name of their set, as `settings.draw` names them.
        sample_every: ticks from one sample of a stream to the next.
        checkpoint: written every 500 iterations and at the end, and gone on from where it was made
            of the same `trained_on`. history: the run's folder, for its curves.

    Raises RecipeError where the learning rate is so high that the loss isn't a number any more.
    """
    device = head.classifier.weight.device
    classifier = list(head.classifier.parameters())
    others = [*head.lstm.parameters(), *head.attention.parameters()]
    shares = (1.0, settings.classifier_rate)  # of the learning rate
    optimiser = torch.optim.SGD(
        [{"params": others}, {"params": classifier}],
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
    )
    saved = None if checkpoint is None else saved_head(checkpoint, trained_on or {})
    done = 0
    if saved is not None:
        head.load_state_dict(saved["state_dict"])
        optimiser.load_state_dict(saved["optimiser"])
        done = saved["iteration"]
        progress.note(f"{modality} key frames: goes on after iteration {done} of {checkpoint}")
    head.train()
    sums, seen, started_s = torch.zeros(len(_MEASURED), device=device), 0, time.monotonic()
    with (
        progress.task(f"{modality} key frames", settings.iterations) as advance,
        Curve(history, "stage2", modality, after=done) as curve,
    ):
        for iteration in range(1, settings.iterations + 1):
            if iteration <= done:
                advance()
                continue
            rng = np.random.default_rng((seed, iteration))
            seed_torch(device, seed, iteration)
            drop = (iteration - 1) // settings.step_every
            rate = settings.learning_rate / 10**drop
            for parameters, share in zip(optimiser.param_groups, shares, strict=True):
                parameters["lr"] = rate * share
            chosen = _draw(clips, settings, rng)
            batch = window_batch(
                chosen, segments, frames_per_segment, rng, sample_every=sample_every
            )
            features, labels, false = (part.to(device) for part in batch)
            scores, beta = head(features)  # [B, n, C], [B, n, t]
            scores = segment_consensus(scores)
            loss = stage2_loss(
                scores, labels, beta, false, label_smoothing=settings.label_smoothing
            )
            optimiser.zero_grad()
            loss.total.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            right = (scores.argmax(1) == labels).float().mean()
            sums += torch.stack((*(part.detach() for part in loss), right, false.float().mean()))
            seen += 1
            if iteration % _REPORT_EVERY == 0 or iteration == settings.iterations:
                means = dict(zip(_MEASURED, (sums / seen).tolist(), strict=True))
                if not math.isfinite(means["loss"]):
                    raise RecipeError(
                        f"{modality} key frames {iteration}/{settings.iterations}: the loss is "
                        f"{means['loss']}, so the weights are lost: lower "
                        "`stage2.learning_rate`. If that is low already, the first stage has "
                        "gone that way: look at its losses."
                    )
                progress.note(
                    f"{modality} key frames {iteration}/{settings.iterations}: "
                    "loss {loss:.4f} = cross-entropy {cross_entropy:.4f} + regularisation "
                    "{regularisation:.5f}, right {right:.1%}, "
                    "judged false {judged_false:.1%}".format(**means)
                )
                took_s, started_s = time.monotonic() - started_s, time.monotonic()
                curve.add(
                    phase=drop + 1,
                    epoch=1,
                    iteration=iteration,
                    learning_rate=rate,
                    seconds=took_s,
                    **means,
                )
                sums, seen = torch.zeros_like(sums), 0
            if checkpoint is not None and (
                iteration % _KEEP_EVERY == 0 or iteration == settings.iterations
            ):
                state = {"state_dict": head.state_dict(), "optimiser": optimiser.state_dict()}
                kept = {"iteration": iteration, "trained_on": dict(trained_on or {})}
                save_checkpoint(checkpoint, {**state, **kept})
            advance()
    return head.eval()


def saved_head(path: Path, trained_on: Mapping[str, str]) -> dict[str, Any] | None:
    """The state in the checkpoint `path`; None where there is none, or it was trained on else."""
    if not path.is_file():
        return None
    state = load_checkpoint(path)
    return state if state.get("trained_on") == trained_on and "iteration" in state else None


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
    clips: Sequence[FeatureClip],
    segments: int,
    k: int,
    rng: np.random.Generator,
    *,
    sample_every: int = 1,
) -> tuple[Tensor, Tensor, Tensor]:
    """Features [B, n, t, D], labels [B] and false frames [B, n, t] of one random kind of window.

    Half of the batches are `global` (random ticks spread over the clip, n = N, t = k). The others
    are what a stream's window holds after a random number of samples: a part of one segment, or
    one to N whole segments of consecutive samples, which lie `sample_every` ticks apart. Clips too
    short for it sit that batch out.
    """
    spread = bool(rng.random() < 0.5)
    length = segments * k if spread else int(rng.integers(1, segments * k + 1))
    n, t = (max(1, length // k), min(length, k))
    span = (n * t - 1) * sample_every + 1  # ticks from a window's first sample to its last
    features, labels, false = [], [], []
    for clip in clips:
        ticks = len(clip.false)
        if spread:
            places = global_ticks(ticks, n * t, rng)
        elif ticks < span:
            continue
        else:
            first = int(rng.integers(0, ticks - span + 1))
            places = list(range(first, first + span, sample_every))
        view = clip.views[int(rng.integers(len(clip.views)))]
        features.append(view[places].reshape(n, t, -1))
        false.append(clip.false[places].reshape(n, t))
        labels.append(clip.label)
    if not labels:  # every clip drawn is too short: a small set. Spread windows always fit.
        return window_batch(clips, segments, k, rng, sample_every=sample_every)
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
