"""The optimiser of one phase: gradients of mixed precision, their clipping, and the schedule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from training.device import gradient_scaler
from training.recipe import Phase

_LARGEST_GRADIENT = 5.0  # norm over all parameters


class Optimiser:
    """What a phase of the first stage learns with.

    AdamW, whose steps don't depend on a weight's scale (folded ImageNet weights are uneven), or
    SGD. No decay on vectors (batch norm, biases).

    Args:
        step: of the phase, to go on from. steps_per_epoch: the schedule's measure.
    """

    def __init__(
        self,
        model: nn.Module,
        phase: Phase,
        *,
        step: int,
        steps_per_epoch: int,
        device: torch.device,
        precision: str,
    ) -> None:
        self._learning = [p for p in model.parameters() if p.requires_grad]
        self._phase = phase
        self._step = step
        self._steps_per_epoch = steps_per_epoch
        self._scaler = gradient_scaler(device, precision)
        groups = _groups(model, phase)
        self._optimiser: torch.optim.Optimizer
        if phase.optimiser == "sgd":
            self._optimiser = torch.optim.SGD(
                groups, lr=phase.learning_rate, momentum=phase.momentum
            )
        else:
            self._optimiser = torch.optim.AdamW(groups, lr=phase.learning_rate)

    @property
    def learning_rate(self) -> float:
        """Of the step to come; the backbone's is `backbone_rate` of it."""
        return learning_rate(self._phase, self._step, self._steps_per_epoch)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of `loss` to those of the step to come."""
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def step(self) -> None:
        """One step on the gradients gathered, which are gone afterwards."""
        for group in self._optimiser.param_groups:
            # An older checkpoint's groups have no rate of their own.
            group["lr"] = self.learning_rate * group.get("rate", 1.0)
        self._scaler.unscale_(self._optimiser)
        nn.utils.clip_grad_norm_(self._learning, _LARGEST_GRADIENT)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        self._optimiser.zero_grad()
        self._step += 1

    def state_dict(self) -> dict[str, Any]:
        """`optimiser` and `scaler`, for a checkpoint."""
        return {"optimiser": self._optimiser.state_dict(), "scaler": self._scaler.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take `optimiser` and `scaler` from a checkpoint."""
        self._optimiser.load_state_dict(state["optimiser"])
        self._scaler.load_state_dict(state.get("scaler", {}))


def _groups(model: nn.Module, phase: Phase) -> list[dict[str, Any]]:
    """What learns, apart by how it decays and, where they differ, by how fast it learns."""
    learning = {name: p for name, p in model.named_parameters() if p.requires_grad}
    rates = {
        name: 1.0 if ".backbone." not in f".{name}" else phase.backbone_rate for name in learning
    }
    return [
        {
            "params": [
                p for name, p in learning.items() if rates[name] == rate and (p.dim() > 1) == decays
            ],
            "weight_decay": phase.weight_decay if decays else 0.0,
            "rate": rate,
        }
        for rate in dict.fromkeys(rates.values())
        for decays in (True, False)
    ]


def learning_rate(phase: Phase, step: int, steps_per_epoch: int) -> float:
    """For the phase's step number `step`, from 0: linear warm-up, then half a cosine to zero."""
    steps = phase.epochs * steps_per_epoch
    warm_up = max(1, round(steps_per_epoch * phase.warm_up_epochs))
    if step < warm_up:
        return phase.learning_rate * (step + 1) / warm_up
    part = min(1.0, (step - warm_up) / max(1, steps - warm_up))
    return phase.learning_rate * 0.5 * (1 + math.cos(math.pi * part))
