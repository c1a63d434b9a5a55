"""A recipe: everything that a training run is decided by, read from one TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from engine.errors import FlowMismatch
from engine.flow.open import open_flow
from engine.manifest import Fusion
from training.data.annotations import IDLE
from training.data.augment import Crops
from training.data.preparation import FINITE, Positive, Preparation
from training.errors import RecipeError
from training.model.build import ModelConfig
from training.start import input_range

Count = Annotated[int, msgspec.Meta(ge=1)]
NotNegative = Annotated[float, msgspec.Meta(ge=0, le=FINITE)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
BelowOne = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Seed = Annotated[int, msgspec.Meta(ge=0)]
Draw = Annotated[dict[str, Count], msgspec.Meta(min_length=1)]

OFFICIAL = ("ucf101", "hmdb51", "jhmdb")  # the sets with three splits


class Set(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A set of clips, by the name that `--data NAME=FOLDER` gives a place to.

    layout: `folder` is FOLDER/CLASS/*.mp4; `ucf101`, `hmdb51` and `jhmdb` are
        FOLDER/videos/CLASS/*.avi with the official lists in FOLDER/splits; `thumos14` is
        FOLDER/{training,validation,test,splits}; `streams` is FOLDER/*.mp4 with the truth beside
        each.
    split: which official split; its train part is trained on, its test part tested.
    part: the untrimmed videos of `thumos14` that are tested on.
    use: what it is for: a `folder` to train or test, `streams` to calibrate or test, or as `idle`
        footage, in which nothing happens; the official sets stay `train`, and bring their test
        part along.
    allowed: of `idle` footage, what it is no false alarm to see there; such streams need no truth.
    from_afar: its clips show small people already, so a phase's `far` leaves them as they are.
    flows: those of `prepared.flows` that this set is prepared and measured with, the default one
        among them; all where nothing is given.
    """

    layout: Literal["folder", "ucf101", "hmdb51", "jhmdb", "thumos14", "streams"]
    split: Literal[1, 2, 3] = 1
    part: Literal["validation", "test"] = "test"
    use: Literal["train", "calibrate", "test", "idle"] = "train"
    allowed: tuple[str, ...] = (IDLE,)
    from_afar: bool = False
    flows: tuple[str, ...] = ()

    @property
    def trains(self) -> bool:
        """Whether it has clips to train on."""
        return self.use == "train"

    @property
    def test_part(self) -> str:
        """What is tested on, in the words of a report."""
        if self.layout == "thumos14":
            return self.part
        return f"split {self.split} test" if self.layout in OFFICIAL else "unseen"


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The model; the fields are `ModelConfig`'s."""

    backbone: str = "mobilenet_v2"
    hidden_width: int = 256
    input_size: int = 160
    segments: int = 3
    frames_per_segment: int = 10
    spatial_attention: bool = True
    spatial_gain: NotNegative = 1.0
    frame_dropout: BelowOne = 0.5
    segment_dropout: BelowOne = 0.5


class Phase(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One run through the first stage's loop, with its own optimiser and schedule.

    draw: clips of each set in an epoch. side: of the crops as the CNN sees them, in px
        (of flow: after any downsampling); fewer train faster.
    batch_norm: `frozen` keeps the running statistics (weight and bias still learn); `partial`
        keeps all but the first layer's (TSN, Wang et al., 2016: the input is another one).
    crops: of several sizes, `anywhere` in the frame, or in its `corners` and centre (TSN).
    optimiser: `adamw`, or `sgd` with `momentum`; each with a warm-up, then half a cosine to zero.
    backbone_rate: the backbone's part of the learning rate. A small one keeps more of what it
        began with, while the layers after it, which begin at random, learn at full speed.
    flows: of a flow phase, each clip's flow is drawn from those of these that its set has; the
        first prepared one where nothing is given.
    far: the part of the clips that is seen from further away, as a surveillance camera would:
        smaller, and with copies around them.
    mixup: alpha of mixup (Zhang et al., 2018); each clip is blended with another by a part drawn
        from Beta(alpha, alpha), labels as well. 0 leaves clips as they are.
    consensus: TSN: the scores of a clip's images, one from each segment, are averaged before the
        loss. False: each image has its own loss, and a clip has the mean of them.
    batch: clips a step, `micro_batch` at a time: on a CPU small ones stay in the cache and are
        faster by half. Several processes share out a step's micro-batches.
    """

    draw: Draw
    epochs: Count
    learning_rate: Positive
    side: Annotated[int, msgspec.Meta(ge=32, multiple_of=16)]
    batch_norm: Literal["frozen", "partial", "trained"] = "frozen"
    flows: tuple[str, ...] = ()
    crops: Crops = "anywhere"
    backbone_rate: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    optimiser: Literal["adamw", "sgd"] = "adamw"
    momentum: BelowOne = 0.9
    warm_up_epochs: NotNegative = 1.0
    weight_decay: NotNegative = 0.02
    label_smoothing: Share = 0.1
    far: Share = 0.0
    mixup: NotNegative = 0.0
    consensus: bool = True
    batch: Count = 32
    micro_batch: Count = 8

    def __post_init__(self) -> None:
        if self.batch % self.micro_batch:
            raise ValueError(
                f"`batch`, {self.batch}, must be a multiple of `micro_batch`, {self.micro_batch}"
            )


Phases = Annotated[tuple[Phase, ...], msgspec.Meta(min_length=1)]


class Stage1(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    rgb: Phases
    flow: Phases


class Stage2(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Key-frame exploration on frozen features.

    every: use each second, third, ... clip of a set only. views: the centre crop, and views - 1
    random ones of each clip. folds: of the cross-fitted
    binary classifiers. learning_rate is divided by 10 every `step_every` iterations; the
    classifier, which the first stage has trained already, learns at classifier_rate times that (0:
    it stays as it is). seed: added to the recipe's, for other weights to start from, batches and
    folds on the same first stage.
    """

    draw: Draw
    every: dict[str, Count] = {}
    views: Count = 2
    iterations: Count = 15000
    step_every: Count = 3000
    learning_rate: Positive = 0.001
    classifier_rate: Share = 1.0
    momentum: BelowOne = 0.9
    batch: Count = 128
    weight_decay: NotNegative = 0.0005
    label_smoothing: Share = 0.0
    folds: Annotated[int, msgspec.Meta(ge=2)] = 5
    seed: Seed = 0


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How sure a model may be, and when it abstains.

    hold_out: the share of each class's clips, in whole sources, that is never trained on, but
        calibrated on; `seed` draws them, whatever else the run's own seed decides.
    idle: the sets of idle footage on which the threshold is chosen below which the model abstains;
        none: it always answers. false_alarms_per_hour: what may remain there.
    fusion: what is averaged over the streams: `probabilities`, as the paper does, or `scores`, as
        TSN does, so that a label has to be likely for both.
    alarm_s: an alarm lasts this long at least, in every number about alarms.
    """

    hold_out: BelowOne = 0.0
    idle: tuple[str, ...] = ()
    false_alarms_per_hour: NotNegative = 1.0
    alarm_s: Positive = 0.5
    fusion: Fusion = "probabilities"
    seed: Seed = 0


class BundleFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the bundle's manifest says beyond what was trained and measured."""

    name: str
    version: str
    licence: str
    sample_every: Count = 1
    attribution: tuple[str, ...] = ()


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A training run. classes: in the model's order; `idle`, if there is one, last."""

    classes: tuple[str, ...]
    sets: dict[str, Set]
    prepared: Preparation
    model: Model
    stage1: Stage1
    stage2: Stage2
    bundle: BundleFields
    calibration: Calibration = Calibration()
    seed: Seed = 0
    precision: Literal["fp32", "bf16"] = "fp32"

    def model_config(self, weights: str) -> ModelConfig:
        """The model's configuration, with the input range that `weights` expect."""
        return ModelConfig(
            classes=len(self.classes),
            flow_downsampling=self.prepared.flow_downsampling,
            **input_range(weights),
            **msgspec.structs.asdict(self.model),
        )


def read_recipe(path: Path) -> Recipe:
    """Raises RecipeError for a file that can't be read, an unknown key or an impossible value."""
    try:
        recipe = msgspec.toml.decode(path.read_bytes(), type=Recipe)
    except OSError as error:
        raise RecipeError(f"The recipe {path} can't be read ({error.strerror}).") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: {error}.") from error
    problem = _problem(recipe)
    if problem:
        raise RecipeError(f"{path}: {problem}.")
    return recipe


_USES = {"folder": ("train", "test"), "streams": ("calibrate", "test", "idle")}


def _problem(recipe: Recipe) -> str | None:
    """What the types can't say."""
    classes = recipe.classes
    if len(set(classes)) != len(classes) or len(classes) < 2:
        return "`classes` must be two or more different names"
    if IDLE in classes and classes[-1] != IDLE:
        return f"`classes` must end with {IDLE!r}"
    for key, names in {"classes": classes, "sets": tuple(recipe.sets)}.items():
        for name in names:
            if name in ("", ".", "..") or any(mark in name for mark in "/\\\0"):
                return f"`{key}` names {name!r}, which can't be the name of a folder"
    for name, described in recipe.sets.items():
        if described.use not in _USES.get(described.layout, ("train",)):
            return f"`sets.{name}.use` can't be {described.use!r} with layout {described.layout!r}"
        for label in described.allowed if described.use == "idle" else ():
            if label not in classes:
                return f"`sets.{name}.allowed` names {label!r}, which `classes` doesn't"
    for name in recipe.calibration.idle:
        if name not in recipe.sets or recipe.sets[name].use != "idle":
            return f"`calibration.idle` names {name!r}, which is no set of idle footage"
    draws = {"stage2.draw": recipe.stage2.draw}
    for stream in ("rgb", "flow"):
        for index, phase in enumerate(getattr(recipe.stage1, stream)):
            draws[f"stage1.{stream}[{index}].draw"] = phase.draw
    for key, draw in draws.items():
        for name in draw:
            if name not in recipe.sets or not recipe.sets[name].trains:
                return f"`{key}` draws from {name!r}, which is no set to train on"
    for name in recipe.stage2.every:
        if name not in recipe.stage2.draw:
            return f"`stage2.every` names {name!r}, which `stage2.draw` doesn't"
    try:
        recipe.model_config("none")
    except ValueError as error:
        return f"`model`: {error}"
    side, size = recipe.model.input_size, recipe.prepared.size
    if side > min(size):
        return (
            f"`model.input_size`, {side}, doesn't fit into `prepared.size`, {list(size)}: prepare "
            "larger pictures, or take a smaller input"
        )
    return _flow_problem(recipe)


def _flow_problem(recipe: Recipe) -> str | None:
    """Of the prepared flows, and of the phases that name some of them."""
    prepared = recipe.prepared.flows
    for name, flow in prepared.items():
        try:
            open_flow(name, flow.parameters)
        except FlowMismatch as error:
            return f"`prepared.flows.{name}`: {error}"
    of_phases = {f"stage1.flow[{i}]": phase.flows for i, phase in enumerate(recipe.stage1.flow)}
    of_sets = {f"sets.{name}": described.flows for name, described in recipe.sets.items()}
    for key, flows in {**of_phases, **of_sets}.items():
        for name in flows:
            if name not in prepared:
                return f"`{key}.flows` names {name!r}, which is not prepared"
    for key, flows in of_sets.items():
        if flows and recipe.prepared.default_flow not in flows:
            return f"`{key}.flows` lacks the default flow, {recipe.prepared.default_flow!r}"
    if recipe.prepared.grid_fps == "native":
        for name, described in recipe.sets.items():
            if described.layout == "streams":
                return (
                    f'`prepared.grid_fps` is "native", but streams ({name}) lie on a grid: '
                    "give a rate"
                )
    return None
