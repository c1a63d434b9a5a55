"""The first stage: one stream's CNN with spatial attention, trained as a TSN of three segments.

The loop is this page: phases -> epochs -> batches. A checkpoint is written after every epoch, and
a run that was stopped goes on from the last one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from training.checkpoint import load_checkpoint, save_checkpoint
from training.data.batches import Batch, batches, draw
from training.data.frame_store import StoredClip
from training.losses import random_blend, stage1_loss
from training.model.backbone import recalibrate_batch_norm
from training.model.build import Modality, ModelConfig, build_frame_classifier
from training.model.sta_tsn import FrameClassifier
from training.progress import Progress
from training.recipe import Phase

RECALIBRATION_BATCHES = 12  # of one micro-batch each: some hundred images


def train_stage1(
    modality: Modality,
    phases: Sequence[Phase],
    sets: Mapping[str, Sequence[StoredClip]],
    classes: Sequence[str],
    *,
    config: ModelConfig,
    weights: str,
    precision: str,
    seed: int,
    checkpoint: Path,
    progress: Progress,
) -> FrameClassifier:
    """Train one stream through `phases`; returns it with the last epoch's weights.

    sets: prepared clips by the name that a phase's `draw` gives. weights: what to start from.
    """
    torch.manual_seed(seed)
    # The weights to start from matter to a fresh run only.
    start = weights if not checkpoint.is_file() else "none"
    model = build_frame_classifier(config, modality, weights=start)
    state = load_checkpoint(checkpoint) if checkpoint.is_file() else None
    done = 0  # epochs, over all phases
    if state is not None:
        model.load_state_dict(state["state_dict"])
        done = state["epochs"]
        progress.note(f"{modality}: goes on after epoch {done} of {checkpoint}")
    elif weights != "none":
        recalibrate_batch_norm(
            model.stream, _calibration_images(modality, phases[0], sets, classes, config, seed)
        )
    model = model.to(memory_format=torch.channels_last)

    before = 0  # epochs of the phases already gone through
    for number, phase in enumerate(phases):
        if done >= before + phase.epochs:
            before += phase.epochs
            continue
        steps = phase.epochs * math.ceil(sum(phase.draw.values()) / phase.batch)
        optimiser, schedule = _optimiser(model, phase, steps)
        if state is not None and state["phase"] == number:
            optimiser.load_state_dict(state["optimiser"])
            schedule.load_state_dict(state["schedule"])
        for epoch in range(done - before, phase.epochs):
            rng = np.random.default_rng((seed, before + epoch))
            torch.manual_seed(seed + before + epoch)
            clips = draw(sets, phase.draw, rng)
            stream = batches(
                clips,
                classes,
                modality,
                segments=config.segments,
                side=phase.side,
                size=phase.micro_batch,
                rng=rng,
                flows=phase.flows,
            )
            started_s = time.monotonic()
            name = f"{modality} phase {number + 1} epoch {epoch + 1}/{phase.epochs}"
            with progress.task(name, math.ceil(len(clips) / phase.micro_batch)) as advance:
                loss, right = _epoch(
                    model,
                    _counted(stream, advance),
                    phase,
                    optimiser,
                    schedule,
                    precision,
                    rng=np.random.default_rng((seed, before + epoch, 1)),
                )
            took_s = time.monotonic() - started_s
            progress.note(f"{name}: loss {loss:.3f}, right {right:.1%}, {took_s:.0f} s")
            done = before + epoch + 1
            save_checkpoint(
                checkpoint,
                {
                    "state_dict": model.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "schedule": schedule.state_dict(),
                    "epochs": done,
                    "phase": number,
                    "config": config.to_dict(),
                    "classes": list(classes),
                    "phases": [_plain(each) for each in phases],
                },
            )
        before += phase.epochs
    return model.eval()


def _epoch(
    model: FrameClassifier,
    stream: Iterator[Batch],
    phase: Phase,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    precision: str,
    *,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """One pass; returns the mean loss and the part of training clips that were right.

    A step takes `batch` clips, `micro_batch` at a time: on a CPU small batches stay in the cache
    and are faster by half. With frozen batch norm the sum is the same to the last digit or so.
    """
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train(phase.batch_norm == "trained")
    per_step = math.ceil(phase.batch / phase.micro_batch)
    total_loss, right, seen, waiting = 0.0, 0, 0, 0
    for batch in stream:
        blend = random_blend(len(batch.labels), phase.mixup, rng) if phase.mixup else None
        images = batch.images if blend is None else blend.images(batch.images)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            scores = model.consensus(images).float()  # [B, C]
        loss = stage1_loss(scores, batch.labels, label_smoothing=phase.label_smoothing, blend=blend)
        (loss / phase.batch).backward()  # type: ignore[no-untyped-call]
        total_loss += loss.item()
        right += int((scores.argmax(1) == batch.labels).sum())
        seen += len(batch.labels)
        waiting += 1
        if waiting == per_step:
            _step(model, optimiser, schedule)
            waiting = 0
    if waiting:
        _step(model, optimiser, schedule)
    return total_loss / seen, right / seen


def _step(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> None:
    nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimiser.step()
    schedule.step()
    optimiser.zero_grad()


def _optimiser(
    model: nn.Module, phase: Phase, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW: its steps don't depend on a weight's scale, and folded ImageNet weights are uneven.

    No decay on vectors (batch norm, biases). Linear warm-up, then half a cosine down to zero.
    """
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in learning if p.dim() > 1], "weight_decay": phase.weight_decay},
        {"params": [p for p in learning if p.dim() <= 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=phase.learning_rate)
    warm_up = max(1, round(steps / phase.epochs * phase.warm_up_epochs))

    def factor(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm_up) / max(1, steps - warm_up))))

    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, factor)


def _calibration_images(
    modality: Modality,
    phase: Phase,
    sets: Mapping[str, Sequence[StoredClip]],
    classes: Sequence[str],
    config: ModelConfig,
    seed: int,
) -> Iterator[torch.Tensor]:
    """Training images for folded batch norms to measure their inputs on."""
    rng = np.random.default_rng((seed, 0))
    clips = draw(sets, phase.draw, rng)[: RECALIBRATION_BATCHES * phase.micro_batch]
    for batch in batches(
        clips,
        classes,
        modality,
        segments=config.segments,
        side=phase.side,
        size=phase.micro_batch,
        rng=rng,
        flows=phase.flows,
    ):
        yield batch.images.flatten(0, 1)


def _counted(stream: Iterator[Batch], advance: Any) -> Iterator[Batch]:
    for batch in stream:
        yield batch
        advance()


def _plain(phase: Phase) -> dict[str, Any]:
    return {name: getattr(phase, name) for name in phase.__struct_fields__}
