"""A training run: a recipe, the folders of its data, and the folder where all of it is kept.

    RUN/config.json       the recipe and the weights it started from; environment.json: the machine
    RUN/store/SET/        prepared clips
    RUN/rgb.pt, flow.pt   the first stage, after its last whole epoch
    RUN/features/         of the frozen streams, for the second stage
    RUN/rgb_head.pt, ...  the second stage
    RUN/model.pt          the whole model, as `gesta-train export` takes it
    RUN/history.jsonl     losses of both stages; RUN/tensorboard/: the same
    RUN/metrics.json      what `evaluate` measured
    RUN/bundle/           the bundle
    RUN/run.log           every note with its time

Every step can be stopped and started again; what is done stays done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import torch

from training.checkpoint import first_difference, load_checkpoint
from training.data.annotations import Clip, Split, read_folder, with_known_classes
from training.data.data_sets.hmdb51 import read_hmdb51
from training.data.data_sets.thumos14 import read_thumos14
from training.data.data_sets.ucf101 import read_ucf101
from training.data.frame_store import FrameStore, StoredClip
from training.data.hold_out import hold_out
from training.data.labelled_streams import Interval, read_idle, read_streams
from training.device import CPU
from training.distributed import ALONE, Group
from training.errors import CheckpointError, DataError, RecipeError
from training.evaluation.streams import Timing
from training.features import MODALITIES
from training.model.build import Modality, ModelConfig, build, build_frame_classifier
from training.model.consensus import Temperatures
from training.model.sta_tsn import FrameClassifier, StaTsn
from training.progress import Progress
from training.recipe import Recipe
from training.stage1_checkpoint import read_stage1_checkpoint

MODEL = "model"  # RUN/model.pt, and the name of its lock


@dataclass(frozen=True)
class Run:
    """A recipe on this machine.

    data: the folder of each of the recipe's sets. weights: what both streams start from.
    strict: a clip that can't be used stops the run, instead of being named and left out.
    device: where networks are computed. group: the processes that share the first stage.
    threads: that prepare images ahead of it.
    """

    recipe: Recipe
    folder: Path
    data: Mapping[str, Path]
    weights: str
    progress: Progress
    strict: bool = False
    device: torch.device = CPU
    group: Group = ALONE
    threads: int = 0

    def __post_init__(self) -> None:
        for name in self.recipe.sets:
            if name not in self.data:
                raise RecipeError(f"The set {name!r} has no folder: add `--data {name}=FOLDER`.")
        for name in self.data:
            if name not in self.recipe.sets:
                raise RecipeError(
                    f"The recipe has no set {name!r}, only {', '.join(self.recipe.sets)}: "
                    "correct --data."
                )

    def split(self, name: str) -> Split:
        """The clips of a set to train on and to test on, and a sentence on each that can't be used.

        Raises DataError where there is such a sentence and the run is strict, or where no clip is
        left for what the set is for.
        """
        described, folder = self.recipe.sets[name], self.data[name]
        if described.use == "idle":
            return Split((), tuple(read_idle(folder, described.allowed)))
        if described.layout == "streams":
            return Split((), tuple(stream.clip for stream in read_streams(folder)))
        if described.layout == "folder":
            clips = tuple(read_folder(folder))
            split = Split(clips, ()) if described.use == "train" else Split((), clips)
        elif described.layout == "thumos14":
            split = read_thumos14(folder, described.part)
        else:
            read = read_ucf101 if described.layout == "ucf101" else read_hmdb51
            split = read(folder, described.split)
        split = with_known_classes(split, self.recipe.classes)
        self.check(split.left_out)
        if not (split.train if described.trains else split.test):
            raise DataError(
                f"No clip of {name!r} shows one of the recipe's `classes`: correct them, or "
                f"`--data {name}=FOLDER`."
            )
        return split

    def clips(self, name: str) -> tuple[Sequence[Clip], Sequence[Clip]]:
        """The clips of a set to train on, without those held out, and those to test on."""
        split = self.split(name)
        return self._held_in_and_out(split)[0], split.test

    def held_out(self, name: str) -> Sequence[Clip]:
        """The clips of a set's training part that are kept for the calibration."""
        return self._held_in_and_out(self.split(name))[1]

    def _held_in_and_out(self, split: Split) -> tuple[list[Clip], list[Clip]]:
        calibration = self.recipe.calibration
        return hold_out(split.train, calibration.hold_out, calibration.seed)

    def check(self, complaints: Sequence[str]) -> None:
        """Raises DataError with the first of these, where there is one and the run is strict."""
        if self.strict and complaints:
            more = f" (and {len(complaints) - 1} more like it)" if len(complaints) > 1 else ""
            raise DataError(f"{complaints[0]}{more}: put that right, or run without --strict.")

    def stored_streams(
        self, name: str, flow: str | None = None
    ) -> list[tuple[StoredClip, Sequence[Interval]]]:
        """The streams of a set that could be prepared, with their truth, as `stored`."""
        store = self.store(name)
        return [
            (store.open(stream.clip, flow), stream.intervals)
            for stream in read_streams(self.data[name])
            if store.holds(stream.clip, flow)
        ]

    def store(self, name: str) -> FrameStore:
        prepared = self.recipe.prepared
        flows = {flow: prepared.flows[flow] for flow in self.flows_of(name)}
        preparation = msgspec.structs.replace(prepared, flows=flows)
        return FrameStore(self.folder / "store" / name, preparation)

    def stored(self, name: str, clips: Sequence[Clip], flow: str | None = None) -> list[StoredClip]:
        """The clips of a set that could be prepared, bound to `flow`, or to the default one."""
        store = self.store(name)
        found = [
            replace(store.open(clip, flow), from_afar=self.recipe.sets[name].from_afar)
            for clip in clips
            if store.holds(clip, flow)
        ]
        if found and len(found) < len(clips):
            lacking = f"{name}: {len(clips) - len(found)} of {len(clips)} clips are not prepared"
            self.check([lacking])
            self.progress.note(f"{lacking}, and left out")
        if clips and not found:
            raise DataError(f"No clip of {name!r} is prepared: run `gesta-train prepare` first.")
        return found

    def training_sets(self, flows: Sequence[str] = ()) -> dict[str, list[StoredClip]]:
        """The clips to train on, by set. Raises DataError where one lacks any of `flows` that its
        set should have.
        """
        found = {
            name: self.stored(name, self.clips(name)[0])
            for name, described in self.recipe.sets.items()
            if described.trains
        }
        for name, clips in found.items():
            for flow in set(flows) & set(self.flows_of(name)):
                for clip in clips:
                    clip.with_flow(flow)
        return found

    @property
    def flows(self) -> tuple[str, ...]:
        """The prepared flows; the first is the default."""
        return tuple(self.recipe.prepared.flows)

    def flows_of(self, *names: str) -> tuple[str, ...]:
        """The flows that all of these sets are prepared with; the first is the default."""
        sets = [self.recipe.sets[name].flows or self.flows for name in names]
        return tuple(flow for flow in self.flows if all(flow in each for each in sets))

    @property
    def timing(self) -> Timing:
        """Raises RecipeError where clips keep their native rates: they have no common time."""
        grid_fps = self.recipe.prepared.grid_fps
        if grid_fps == "native":
            raise RecipeError('`prepared.grid_fps` is "native", but streams need a rate: give one.')
        return Timing(grid_fps, self.recipe.bundle.sample_every)

    @property
    def config(self) -> ModelConfig:
        return self.recipe.model_config(self.weights)

    @property
    def model_path(self) -> Path:
        return self.folder / f"{MODEL}.pt"


def read_stage1(run: Run, modality: Modality) -> FrameClassifier:
    """The first stage of one stream, on the run's device.

    Raises CheckpointError where it hasn't been trained, or of another recipe.
    """
    path = run.folder / f"{modality}.pt"
    if not path.is_file():
        raise CheckpointError(f"There is no {path}: run `gesta-train stage1` first.")
    wanted = {
        "stream": modality,
        "classes": list(run.recipe.classes),
        "config": run.config.to_dict(),
    }
    model = build_frame_classifier(run.config, modality)
    model.load_state_dict(read_stage1_checkpoint(path, wanted)["state_dict"])
    return model.to(run.device).to(memory_format=torch.channels_last).eval()


def read_model_state(run: Run) -> dict[str, Any]:
    """model.pt: config, state_dict, manifest and, of a calibrated model, how it was `calibrated`.

    Raises CheckpointError where there is none yet, or it isn't the recipe's model.
    """
    if not run.model_path.is_file():
        raise CheckpointError(f"There is no {run.model_path}: run `gesta-train stage2` first.")
    state = load_checkpoint(run.model_path, ("config", "state_dict", "manifest"))
    made = ModelConfig.from_dict(state["config"]).to_dict()
    if difference := first_difference(made, run.config.to_dict(), "model"):
        raise CheckpointError(
            f"{run.model_path} was made with other settings: {difference}. Put it back, or run "
            "`gesta-train stage2`."
        )
    return state


def read_model(run: Run) -> StaTsn:
    """The whole model, its streams on the run's device. Raises as `read_model_state`."""
    state = read_model_state(run)
    model = build(run.config)
    model.load_state_dict(state["state_dict"])
    model.temperatures = Temperatures(**state["manifest"].get("calibration", {}))
    for modality in MODALITIES:  # the heads are small, and stay where scores are wanted
        getattr(model, modality).to(run.device)
    return model.to(memory_format=torch.channels_last).eval()
