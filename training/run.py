"""A training run: a recipe, the folders of its data, and the folder where all of it is kept.

    RUN/store/SET/        prepared clips
    RUN/rgb.pt, flow.pt   the first stage, after its last whole epoch
    RUN/features/         of the frozen streams, for the second stage
    RUN/rgb_head.pt, ...  the second stage
    RUN/model.pt          the whole model, as `gesta-train export` takes it
    RUN/metrics.json      what `evaluate` measured
    RUN/bundle/           the bundle
    RUN/run.log           every note with its time

Every step can be stopped and started again; what is done stays done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch

from training.calibrate import fit_temperature
from training.checkpoint import load_checkpoint, save_checkpoint
from training.data.annotations import IDLE, Clip, check_known, read_folder, read_split
from training.data.frame_store import FrameStore, StoredClip
from training.data.prepare import prepare
from training.errors import CheckpointError, DataError, RecipeError
from training.evaluate import PROTOCOLS, evaluate
from training.export import export_bundle
from training.features import MODALITIES, cached_features, digest_of
from training.model.build import (
    Modality,
    ModelConfig,
    build,
    build_frame_classifier,
    build_head,
)
from training.model.consensus import Temperatures
from training.model.key_frames import KeyFrameExploration
from training.model.sta_tsn import FrameClassifier, StaTsn
from training.progress import Progress
from training.recipe import Recipe
from training.stage1 import train_stage1
from training.stage2 import feature_clips, train_stage2
from training.streaming_evaluation import (
    ACTION,
    Interval,
    evaluate_streams,
    predict_middles,
    read_streams,
)


@dataclass(frozen=True)
class Run:
    """data: the folder of each of the recipe's sets. weights: what both streams start from."""

    recipe: Recipe
    folder: Path
    data: Mapping[str, Path]
    weights: str
    progress: Progress

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

    def clips(self, name: str) -> tuple[Sequence[Clip], Sequence[Clip]]:
        """The clips of a set to train on, and those to test on."""
        described, folder = self.recipe.sets[name], self.data[name]
        if described.layout == "jhmdb":
            split = read_split(folder / "videos", folder / "splits", described.split)
            return split.train, split.test
        if described.layout == "streams":
            return (), [stream.clip for stream in read_streams(folder)]
        clips = read_folder(folder)
        check_known(clips, self.recipe.classes, folder)
        return (clips, ()) if described.use == "train" else ((), clips)

    def stored_streams(self, name: str) -> list[tuple[StoredClip, Sequence[Interval]]]:
        """The streams of a set that could be prepared, with their truth."""
        store = self.store(name)
        return [
            (store.open(stream.clip), stream.intervals)
            for stream in read_streams(self.data[name])
            if stream.clip in store
        ]

    def store(self, name: str) -> FrameStore:
        return FrameStore(self.folder / "store" / name, self.recipe.preparation)

    def stored(self, name: str, clips: Sequence[Clip]) -> list[StoredClip]:
        """The clips of a set that could be prepared."""
        store = self.store(name)
        found = [store.open(clip) for clip in clips if clip in store]
        if clips and not found:
            raise DataError(f"No clip of {name!r} is prepared: run `gesta-train prepare` first.")
        return found

    def training_sets(self) -> dict[str, list[StoredClip]]:
        return {
            name: self.stored(name, self.clips(name)[0])
            for name, described in self.recipe.sets.items()
            if described.trains
        }

    @property
    def config(self) -> ModelConfig:
        return self.recipe.model_config(self.weights)

    @property
    def model_path(self) -> Path:
        return self.folder / "model.pt"


def prepare_data(run: Run) -> None:
    """Decode every clip of every set to grid frames and flow."""
    for name in run.recipe.sets:
        train, test = run.clips(name)
        run.progress.note(f"{name}: {len(train)} clips to train on, {len(test)} to test on")
        complaints = prepare((*train, *test), run.store(name), progress=run.progress)
        for complaint in complaints:
            run.progress.note(f"left out: {complaint}")
        if complaints:
            run.progress.note(f"{name}: {len(complaints)} clips left out")


def stage1(run: Run, modality: Modality) -> FrameClassifier:
    """Train one stream's CNN, or go on with it."""
    return train_stage1(
        modality,
        getattr(run.recipe.stage1, modality),
        run.training_sets(),
        run.recipe.classes,
        config=run.config,
        weights=run.weights,
        precision=run.recipe.precision,
        seed=run.recipe.seed,
        checkpoint=run.folder / f"{modality}.pt",
        progress=run.progress,
    )


def stage2(run: Run, modality: Modality) -> KeyFrameExploration:
    """Train one stream's head on its frozen CNN, unless that has been done."""
    first = read_stage1(run, modality)
    head = build_head(run.config)
    trained_on = {
        "stream": digest_of(first.stream),
        "settings": msgspec.json.encode(run.recipe.stage2).decode(),
    }
    path = run.folder / f"{modality}_head.pt"
    if path.is_file() and (state := load_checkpoint(path))["trained_on"] == trained_on:
        run.progress.note(f"{modality} key frames: done before, {path}")
        head.load_state_dict(state["state_dict"])
        return head.eval()
    clips = {}
    for name in run.recipe.stage2.draw:
        every = run.recipe.stage2.every.get(name, 1)
        stored = run.stored(name, run.clips(name)[0])[::every]
        views = cached_features(
            first.stream,
            modality,
            stored,
            views=run.recipe.stage2.views,
            side=run.config.input_size,
            seed=run.recipe.seed,
            precision=run.recipe.precision,
            folder=run.folder / "features",
            name=f"{name}_{every}",
            progress=run.progress,
        )
        clips[name] = (stored, views)
    judged, true = feature_clips(
        clips, run.recipe.classes, folds=run.recipe.stage2.folds, seed=run.recipe.seed
    )
    run.progress.note(f"{modality}: {true:.1%} of the frames show their action")
    # With even attention this start is the first stage's TSN, so training can only add to it.
    head.classifier.load_state_dict(first.classifier.state_dict())
    train_stage2(
        modality,
        judged,
        head,
        settings=run.recipe.stage2,
        segments=run.config.segments,
        frames_per_segment=run.config.frames_per_segment,
        seed=run.recipe.seed,
        progress=run.progress,
    )
    save_checkpoint(path, {"state_dict": head.state_dict(), "trained_on": trained_on})
    return head


def assemble(run: Run) -> StaTsn:
    """Put both streams and both heads together, and write the whole model."""
    model = build(run.config)
    for modality in MODALITIES:
        head = stage2(run, modality)
        getattr(model, modality).load_state_dict(read_stage1(run, modality).stream.state_dict())
        getattr(model, f"{modality}_head").load_state_dict(head.state_dict())
    state = {"config": run.config.to_dict(), "state_dict": model.state_dict()}
    save_checkpoint(run.model_path, {**state, "manifest": manifest_fields(run, {})})
    return model.eval()


def read_stage1(run: Run, modality: Modality) -> FrameClassifier:
    """Raises CheckpointError where the first stage of `modality` hasn't been trained."""
    path = run.folder / f"{modality}.pt"
    if not path.is_file():
        raise CheckpointError(f"There is no {path}: run `gesta-train stage1` first.")
    model = build_frame_classifier(run.config, modality)
    model.load_state_dict(load_checkpoint(path)["state_dict"])
    return model.to(memory_format=torch.channels_last).eval()


def read_model(run: Run) -> StaTsn:
    """Raises CheckpointError where there is no whole model yet."""
    if not run.model_path.is_file():
        raise CheckpointError(f"There is no {run.model_path}: run `gesta-train stage2` first.")
    state = load_checkpoint(run.model_path)
    model = build(ModelConfig.from_dict(state["config"]))
    model.load_state_dict(state["state_dict"])
    model.temperatures = Temperatures(**state["manifest"].get("calibration", {}))
    return model.to(memory_format=torch.channels_last).eval()


def calibrate(run: Run) -> None:
    """Fit the temperature of the fused probabilities on the streams held out for it, if any."""
    model = read_model(run)
    model.temperatures = Temperatures()
    fused, labels = [], []
    for name, described in run.recipe.sets.items():
        if described.use == "calibrate":
            predictions, names = predict_middles(
                model,
                run.stored_streams(name),
                side=run.config.input_size,
                sample_every=run.recipe.bundle.sample_every,
                progress=run.progress,
            )
            fused += [each.probabilities for each in predictions]
            labels += [run.recipe.classes.index(label) for label in names]
    if not fused:
        return
    temperature = fit_temperature(torch.cat(fused), torch.tensor(labels))
    run.progress.note(f"temperature {temperature:.3f}, fitted on {len(labels)} intervals")
    state = load_checkpoint(run.model_path)
    calibration = {"calibration": {"fused": temperature}}
    save_checkpoint(run.model_path, {**state, "manifest": {**state["manifest"], **calibration}})


def evaluate_model(run: Run) -> dict[str, Any]:
    """Measure the model on every test part, write metrics.json, and put the numbers with it."""
    model = read_model(run)
    side, classes = run.config.input_size, run.recipe.classes
    report: dict[str, Any] = {}
    for name, described in run.recipe.sets.items():
        if described.use == "calibrate":
            continue
        if described.layout == "streams":
            report[name] = evaluate_streams(
                model,
                run.stored_streams(name),
                classes,
                side=side,
                sample_every=run.recipe.bundle.sample_every,
                progress=run.progress,
            )
        elif test := run.clips(name)[1]:
            clips = run.stored(name, test)
            report[name] = evaluate(model, clips, classes, side=side, progress=run.progress)
    for entry in accuracy_entries(run.recipe, report):
        run.progress.note(
            f"{entry['data_set']} {entry['split']}, {entry['protocol']}, {entry['streams']}: "
            f"{entry['value']:.1%}"
        )
    text = json.dumps(report, indent=1)
    (run.folder / "metrics.json").write_text(text + "\n", encoding="utf-8")
    state = load_checkpoint(run.model_path)
    measured = {**state["manifest"], **manifest_fields(run, report)}
    save_checkpoint(run.model_path, {**state, "manifest": measured})
    return report


def accuracy_entries(recipe: Recipe, report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The manifest's list of measured accuracies."""
    entries = []
    for name, measured in report.items():
        described = recipe.sets[name]
        split = f"split {described.split} test" if described.layout == "jhmdb" else "unseen"
        of_streams = described.layout == "streams"
        what = "middles of intervals" if of_streams else "clips"
        protocols = (ACTION, IDLE) if of_streams else PROTOCOLS
        entries += [
            {
                "data_set": name,
                "split": split,
                "protocol": f"grid, middle of {protocol}" if of_streams else protocol,
                "streams": streams,
                "value": value,
                "note": f"{measured[protocol]['count']} {what}, one crop",
            }
            for protocol in protocols
            if protocol in measured
            for streams, value in measured[protocol]["accuracy"].items()
        ]
    return entries


def manifest_fields(run: Run, report: Mapping[str, Any]) -> dict[str, Any]:
    """What the bundle's manifest says beyond the model's configuration."""
    recipe = run.recipe
    entries = accuracy_entries(recipe, report)
    of_flow = next((e["value"] for e in entries if e["streams"] == "rgb+flow"), None)
    return {
        "name": recipe.bundle.name,
        "version": recipe.bundle.version,
        "classes": list(recipe.classes),
        "resize": list(recipe.prepared.size),
        "grid_fps": recipe.prepared.grid_fps,
        "sample_every": recipe.bundle.sample_every,
        "flows": {
            recipe.prepared.flow: {
                "bound_px": recipe.prepared.bound_px,
                "parameters": dict(recipe.prepared.flow_parameters),
                "accuracy": of_flow,
            }
        },
        "accuracy": entries,
        "licence": recipe.bundle.licence,
        "attribution": list(recipe.bundle.attribution),
    }


def export(run: Run) -> Path:
    """Write RUN/bundle from the model and what was measured of it."""
    state = load_checkpoint(run.model_path)
    target = run.folder / "bundle"
    export_bundle(read_model(run), run.config, target, manifest=state["manifest"])
    run.progress.note(f"the bundle is {target}")
    return target
