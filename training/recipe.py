"""A recipe: everything that a training run is decided by, read from one TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from engine.flow.estimator import FlowParameter
from training.data.annotations import IDLE
from training.data.frame_store import Preparation
from training.errors import RecipeError
from training.model.backbone import rgb_range
from training.model.build import ModelConfig


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Prepared(_Part):
    """What the store holds; the fields are `Preparation`'s."""

    size: tuple[int, int] = (224, 176)
    grid_fps: float = 25.0
    flow: str = "dis"
    flow_parameters: dict[str, FlowParameter] = msgspec.field(
        default_factory=lambda: {"preset": "medium"}
    )
    bound_px: float = 12.0


class Model(_Part):
    """The model; the fields are `ModelConfig`'s."""

    backbone: str = "mobilenet_v2"
    hidden_width: int = 256
    input_size: int = 160
    segments: int = 3
    frames_per_segment: int = 10
    spatial_gain: float = 1.0
    frame_dropout: float = 0.5
    segment_dropout: float = 0.5


class Phase(_Part):
    """One run through the first stage's loop, with its own optimiser and schedule.

    draw: clips of each set in an epoch. side: of the crops, in px; fewer train faster.
    batch_norm: `frozen` keeps the running statistics (weight and bias still learn).
    """

    draw: dict[str, int]
    epochs: int
    learning_rate: float
    side: int
    batch_norm: str = "frozen"
    warm_up_epochs: float = 1.0
    weight_decay: float = 0.01
    label_smoothing: float = 0.1
    batch: int = 32
    micro_batch: int = 8


class Stage1(_Part):
    rgb: tuple[Phase, ...]
    flow: tuple[Phase, ...]


class Stage2(_Part):
    """Key-frame exploration on frozen features; the defaults are the paper's but for the length."""

    draw: dict[str, int]
    views: int = 2
    iterations: int = 1500
    step_every: int = 300
    learning_rate: float = 0.001
    momentum: float = 0.9
    batch: int = 128
    weight_decay: float = 0.0005
    folds: int = 5


class Recipe(_Part):
    """A training run. `held_out`: part of each training set that calibration is fitted on."""

    name: str
    classes: tuple[str, ...]
    prepared: Prepared
    model: Model
    stage1: Stage1
    stage2: Stage2
    seed: int = 0
    precision: str = "bf16"

    @property
    def preparation(self) -> Preparation:
        return Preparation(**msgspec.structs.asdict(self.prepared))

    def model_config(self, weights: str) -> ModelConfig:
        """The model's configuration, with the input range that `weights` expect."""
        mean, std = rgb_range(weights)
        return ModelConfig(
            classes=len(self.classes),
            rgb_mean=mean,
            rgb_std=std,
            **msgspec.structs.asdict(self.model),
        )


def read_recipe(path: Path) -> Recipe:
    """Raises RecipeError for a file that can't be read, an unknown key or an impossible value."""
    try:
        recipe = msgspec.toml.decode(path.read_bytes(), type=Recipe)
    except OSError as error:
        raise RecipeError(f"The recipe {path} can't be read ({error.strerror}).") from error
    except msgspec.DecodeError as error:
        raise RecipeError(f"{path}: {error}.") from error
    _check(recipe, path)
    return recipe


def _check(recipe: Recipe, path: Path) -> None:
    def refuse(key: str, problem: str, value: Any) -> None:
        raise RecipeError(f"{path}: `{key}` {problem}, instead got {value!r}.")

    classes = recipe.classes
    if len(set(classes)) != len(classes) or not classes:
        refuse("classes", "must name each class once", classes)
    if IDLE in classes and classes[-1] != IDLE:
        refuse("classes", f"must end with `{IDLE}`, if it has it", classes)
    if recipe.precision not in ("fp32", "bf16"):
        refuse("precision", "must be fp32 or bf16", recipe.precision)
    for stream in ("rgb", "flow"):
        for index, phase in enumerate(getattr(recipe.stage1, stream)):
            key = f"stage1.{stream}[{index}]"
            if phase.batch_norm not in ("frozen", "trained"):
                refuse(f"{key}.batch_norm", "must be frozen or trained", phase.batch_norm)
            if phase.side % 32 or phase.side < 32:
                refuse(f"{key}.side", "must be a multiple of 32", phase.side)
            if min(phase.epochs, phase.batch, phase.micro_batch) < 1:
                refuse(key, "must have epochs, batch and micro_batch of at least 1", phase)
    try:
        recipe.model_config("none")
    except ValueError as error:
        raise RecipeError(f"{path}: model: {error}.") from error
