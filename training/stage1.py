"""The first stage: one stream's CNN with spatial attention, trained as a TSN of three segments.

The loop is this page: phases -> epochs -> micro-batches. A checkpoint is written after every epoch,
and a run that was stopped goes on from the last one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from training.checkpoint import save_checkpoint
from training.data.batches import Batch, batches, draw
from training.data.frame_store import StoredClip
from training.device import CPU, autocast, seed_torch
from training.distributed import ALONE, Group, Turn
from training.errors import RecipeError
from training.history import Curve
from training.losses import clips_loss, random_blend
from training.model.build import Modality, ModelConfig
from training.model.consensus import segment_consensus
from training.model.sta_tsn import FrameClassifier
from training.optimiser import Optimiser
from training.progress import Progress
from training.recipe import Phase
from training.stage1_checkpoint import described, read_stage1_checkpoint
from training.start import start_frame_classifier

RECALIBRATION_BATCHES = 12  # of one micro-batch each: some hundred images

# What is random in an epoch has seeds of its own: (seed, epoch, one of these, number).
_VIEWS, _BLENDS, _DROPOUT = 1, 2, 3


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
    device: torch.device = CPU,
    group: Group = ALONE,
    threads: int = 0,
    history: Path | None = None,
) -> FrameClassifier:
    """Train one stream through `phases`; returns it, on `device`, with the last epoch's weights.

    Args:
        sets: prepared clips by the name that a phase's `draw` gives.
        weights: what a fresh run starts from, as in `training.start`.
        threads: that prepare batches ahead. history: the run's folder, for its curves.

    Raises:
        CheckpointError: `checkpoint` is of another model, or of a run that went another way.
        DeviceError: the processes of `group` can't share a step evenly.
        RecipeError: the learning rate is so high that the loss isn't a number any more.
    """
    own = described(modality, phases, classes, config, precision=precision, seed=seed)
    resumes = group.leads and checkpoint.is_file()
    saved = group.from_leader(read_stage1_checkpoint(checkpoint, own) if resumes else None)
    done = 0 if saved is None else saved["epochs"]  # over all phases
    prepared = partial(
        batches,
        classes=classes,
        modality=modality,
        segments=config.segments,
        threads=threads,
        pinned=device.type == "cuda",
    )
    some = draw(sets, phases[0].draw, np.random.default_rng((seed, 0)))
    seen = prepared(
        some[: RECALIBRATION_BATCHES * phases[0].micro_batch],
        side=phases[0].side,
        size=phases[0].micro_batch,
        seed=(seed, 0, _VIEWS),
    )
    torch.manual_seed(seed)
    model = start_frame_classifier(
        config,
        modality,
        classes,
        weights=weights if saved is None else "none",
        images=(batch.images.flatten(0, 1).to(device) for batch in seen),
        device=device,
    )
    if saved is not None:
        model.load_state_dict(saved["state_dict"])
        progress.note(f"{modality}: goes on after epoch {done} of {checkpoint}")
    model = model.to(memory_format=torch.channels_last)
    of_images = group.sharing(_ImageScores(model), device)

    epochs = [(number, epoch) for number, ph in enumerate(phases) for epoch in range(ph.epochs)]
    steps = [math.ceil(sum(phase.draw.values()) / phase.batch) for phase in phases]  # an epoch's
    iteration = sum(steps[number] for number, _ in epochs[:done])
    with Curve(history if group.leads else None, "stage1", modality, after=iteration) as curve:
        for before, (number, epoch) in enumerate(epochs[done:], start=done):
            phase = phases[number]
            if epoch == 0 or before == done:
                optimiser = Optimiser(
                    model,
                    phase,
                    step=epoch * steps[number],
                    steps_per_epoch=steps[number],
                    device=device,
                    precision=precision,
                )
                if saved is not None and epoch > 0:  # it was stopped inside this phase
                    optimiser.load_state_dict(saved)
            clips = draw(sets, phase.draw, np.random.default_rng((seed, before)))
            turns = group.turns(
                math.ceil(len(clips) / phase.micro_batch), phase.batch // phase.micro_batch
            )
            stream = prepared(
                clips,
                side=phase.side,
                size=phase.micro_batch,
                seed=(seed, before, _VIEWS),
                crops=phase.crops,
                far=phase.far,
                numbers=[turn.number for turn in turns],
                flows=phase.flows,
            )
            name = f"{modality} phase {number + 1} epoch {epoch + 1}/{phase.epochs}"
            started_s = time.monotonic()
            with progress.task(name, len(turns)) as advance:
                loss, right = _epoch(
                    of_images,
                    zip(turns, stream, strict=True),
                    phase,
                    optimiser,
                    seed=(seed, before),
                    precision=precision,
                    device=device,
                    group=group,
                    advance=advance,
                )
            took_s = time.monotonic() - started_s
            group.same_buffers(model)
            iteration += steps[number]
            if not math.isfinite(loss):
                raise RecipeError(
                    f"{name}: the loss is {loss}, so the weights are lost: lower the phase's "
                    f"`learning_rate`, and train in another run folder, or delete {checkpoint}."
                )
            progress.note(f"{name}: loss {loss:.3f}, right {right:.1%}, {took_s:.0f} s")
            if not group.leads:
                continue
            curve.add(
                phase=number + 1,
                epoch=epoch + 1,
                iteration=iteration,
                loss=loss,
                right=right,
                learning_rate=optimiser.learning_rate,
                seconds=took_s,
            )
            state = {"state_dict": model.state_dict(), **optimiser.state_dict()}
            save_checkpoint(checkpoint, {**state, **own, "epochs": before + 1, "phase": number})
    return model.eval()


class _ImageScores(nn.Module):
    """Images [B, N, ...] -> the scores of each [B, N, C], as a forward pass, which is what
    gradients are shared after."""

    def __init__(self, model: FrameClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.model(images.flatten(0, 1))  # [B·N, C]
        return scores.unflatten(0, images.shape[:2])  # type: ignore[no-untyped-call,no-any-return]


def _epoch(
    of_images: nn.Module,
    stream: Iterable[tuple[Turn, Batch]],
    phase: Phase,
    optimiser: Optimiser,
    *,
    seed: tuple[int, ...],
    precision: str,
    device: torch.device,
    group: Group,
    advance: Callable[[], None],
) -> tuple[float, float]:
    """One pass; returns the mean loss and the part of training clips that were right."""
    _set_modes(of_images, phase)
    totals = torch.zeros(3, dtype=torch.float64, device=device)  # loss, right clips, clips
    for turn, batch in stream:
        images = batch.images.to(device, non_blocking=True)
        labels = batch.labels.to(device, non_blocking=True)
        rng = np.random.default_rng((*seed, _BLENDS, turn.number))
        blend = random_blend(len(labels), phase.mixup, rng, device) if phase.mixup else None
        if blend is not None:
            images = blend.images(images)
        seed_torch(device, *seed, _DROPOUT, turn.number)
        with nullcontext() if turn.ends_step else group.without_sharing(of_images):
            with autocast(device, precision):
                scores = of_images(images).float()  # [B, N, C]
            loss = turn.counts * clips_loss(
                scores,
                labels,
                consensus=phase.consensus,
                label_smoothing=phase.label_smoothing,
                blend=blend,
            )
            # Sharing takes the mean over processes. A step's gradient is the sum over its clips,
            # divided by `batch`: an epoch's last step, with fewer clips, is the smaller for it.
            optimiser.backward(loss * group.size / phase.batch)
        if turn.counts:
            right = (segment_consensus(scores).argmax(1) == labels).sum()
            totals += torch.stack((loss.detach(), right, right.new_tensor(len(labels))))
        if turn.ends_step:
            optimiser.step()
        advance()
    loss_sum, right_sum, clips = group.total(totals).tolist()
    return loss_sum / clips, right_sum / clips


def _set_modes(model: nn.Module, phase: Phase) -> None:
    """Training mode, but for the batch norms whose statistics are frozen."""
    model.train()
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for number, norm in enumerate(norms):
        first = phase.batch_norm == "partial" and number == 0
        norm.train(phase.batch_norm == "trained" or first)
