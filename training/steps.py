"""The steps of a run, in their order: prepare, stage 1, stage 2, export.

`training.evaluation.measure` has the two before the last: calibrate and evaluate.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch

from training.checkpoint import load_checkpoint, save_checkpoint
from training.data.prepare import prepare
from training.errors import OutputError
from training.export import export_bundle
from training.features import MODALITIES, cached_features, digest_of
from training.lock import locked
from training.manifest import manifest_fields, with_what_was_measured
from training.model.build import Modality, ModelConfig, build, build_head
from training.model.key_frames import KeyFrameExploration
from training.model.sta_tsn import FrameClassifier, StaTsn
from training.recipe import Phase
from training.run import MODEL, Run, read_model, read_model_state, read_stage1
from training.stage1 import train_stage1
from training.stage1_checkpoint import epochs_done
from training.stage2 import feature_clips, saved_head, train_stage2
from training.start import start_frame_classifier


def check_weights(run: Run, folders: Sequence[Path]) -> None:
    """Read what the CNNs start from, where one in `folders` has yet to: hours before it is needed.

    Raises WeightsError, BundleError or ExportError where it can't be had, or doesn't fit.
    """
    if not all((folder / f"{each}.pt").is_file() for folder in folders for each in MODALITIES):
        start_frame_classifier(run.config, "rgb", run.recipe.classes, weights=run.weights)


def prepare_data(run: Run, workers: int | None = None) -> None:
    """Decode every clip of every set to frames and flow, in `workers` processes (one a core).

    What can't be used is named and counted at the end; a strict run stops there, with DataError.
    Raises OutputError where another process prepares in the same folder.
    """
    with locked(run.folder / "store", "prepare", "prepares clips"):
        _prepare_sets(run, workers)


def _prepare_sets(run: Run, workers: int | None) -> None:
    left_out: list[str] = []
    trained: set[str] = set()
    for name in run.recipe.sets:
        split, store, held_out = run.split(name), run.store(name), run.held_out(name)
        run.progress.note(
            f"{name}: {len(split.train) - len(held_out)} clips to train on, "
            f"{len(held_out)} held out, {len(split.test)} to test on"
        )
        damaged = prepare(
            (*split.train, *split.test),
            store,
            progress=run.progress,
            workers=workers,
            strict=run.strict,
            device=run.device.type,
        )
        left_out += [*split.left_out, *damaged]
        trained |= {clip.label for clip in split.train if clip in store}
    absent = [
        f"No clip to train on shows {label!r}"
        for label in run.recipe.classes
        if label not in trained
    ]
    run.check(absent)
    run.progress.notes([f"left out: {complaint}" for complaint in left_out])
    run.progress.notes(
        [f"{complaint}: add some, or take it out of `classes`" for complaint in absent]
    )
    run.progress.note(f"prepared; {len(left_out)} left out")


def stage1(run: Run, modality: Modality) -> FrameClassifier:
    """Train one stream's CNN, or go on with it.

    Raises OutputError where another process trains that stream in the same folder.
    """
    if not run.group.leads:
        return _train_stage1(run, modality)
    with locked(run.folder, modality, f"trains {modality}"):
        return _train_stage1(run, modality)


def _train_stage1(run: Run, modality: Modality) -> FrameClassifier:
    phases: tuple[Phase, ...] = getattr(run.recipe.stage1, modality)
    flows = {flow for phase in phases for flow in phase.flows}
    return train_stage1(
        modality,
        phases,
        run.training_sets(sorted(flows)),
        run.recipe.classes,
        config=run.config,
        weights=run.weights,
        precision=run.recipe.precision,
        seed=run.recipe.seed,
        checkpoint=run.folder / f"{modality}.pt",
        progress=run.progress,
        device=run.device,
        group=run.group,
        threads=run.threads,
        history=run.folder,
    )


def stage2(run: Run, modality: Modality) -> KeyFrameExploration:
    """Train one stream's head on its frozen CNN, or go on with it, unless that has been done.

    A head that was trained on another first stage or by other settings is trained again.
    Raises OutputError where another process trains that stream in the same folder.
    """
    with locked(run.folder, modality, f"trains {modality}"):
        return _train_stage2(run, modality)


def _train_stage2(run: Run, modality: Modality) -> KeyFrameExploration:
    first = read_stage1(run, modality)
    planned = sum(phase.epochs for phase in getattr(run.recipe.stage1, modality))
    if (done := epochs_done(run.folder / f"{modality}.pt")) < planned:
        run.progress.note(
            f"{modality}: its first stage is taken as it is, after {done} of {planned} epochs; "
            "`gesta-train stage1` goes on with it"
        )
    settings, seed = run.recipe.stage2, run.recipe.seed + run.recipe.stage2.seed
    sample_every = run.recipe.bundle.sample_every
    torch.manual_seed(seed)
    head = build_head(run.config).to(run.device)
    trained_on = {
        "stream": digest_of(first.stream),
        "model": json.dumps(run.config.to_dict()),
        "settings": msgspec.json.encode(settings).decode(),
        "seed": str(seed),
    }
    if sample_every > 1:  # heads that are older than this entry were trained on each tick
        trained_on["sample_every"] = str(sample_every)
    path = run.folder / f"{modality}_head.pt"
    saved = saved_head(path, trained_on)
    if saved is not None and saved["iteration"] == settings.iterations:
        run.progress.note(f"{modality} key frames: done before, {path}")
        head.load_state_dict(saved["state_dict"])
        return head.eval()
    if saved is None and path.is_file():
        run.progress.note(f"{modality} key frames: {path} is of other settings, so trained again")
    clips = {}
    flow = run.recipe.prepared.default_flow
    for name in settings.draw:
        every = settings.every.get(name, 1)
        stored = run.stored(name, run.clips(name)[0])[::every]
        views = cached_features(
            first.stream,
            modality,
            stored,
            views=settings.views,
            side=run.config.input_size,
            seed=run.recipe.seed,
            precision=run.recipe.precision,
            folder=run.folder / "features",
            name=f"{name}_{every}" + (f"_{flow}" if modality == "flow" else ""),
            progress=run.progress,
            threads=run.threads,
        )
        clips[name] = (stored, views)
    judged, true = feature_clips(clips, run.recipe.classes, folds=settings.folds, seed=seed)
    run.progress.note(f"{modality}: {true:.1%} of the frames show their action")
    # With even attention this start is the first stage's TSN, so training can only add to it.
    head.classifier.load_state_dict(first.classifier.state_dict())
    return train_stage2(
        modality,
        judged,
        head,
        settings=settings,
        segments=run.config.segments,
        frames_per_segment=run.config.frames_per_segment,
        seed=seed,
        progress=run.progress,
        sample_every=sample_every,
        checkpoint=path,
        trained_on=trained_on,
        history=run.folder,
    )


def assemble(run: Run) -> StaTsn:
    """Put both streams and both heads together, and write the whole model.

    What was measured of the same weights before stays with them. Of other weights it is gone, and
    so is metrics.json.

    Raises OutputError where another process works on the model.
    """
    with locked(run.folder, MODEL, "works on the model"):
        return _assemble(run)


def _assemble(run: Run) -> StaTsn:
    model = build(run.config)
    for modality in MODALITIES:
        head = stage2(run, modality)
        getattr(model, modality).load_state_dict(read_stage1(run, modality).stream.state_dict())
        getattr(model, f"{modality}_head").load_state_dict(head.state_dict())
    manifest = manifest_fields(run.recipe)
    state = {"config": run.config.to_dict(), "state_dict": model.state_dict(), "manifest": manifest}
    if run.model_path.is_file():
        before = load_checkpoint(run.model_path, state.keys())
        if _same_weights(before, state):
            manifest = with_what_was_measured(manifest, before["manifest"])
            state = {**before, "manifest": manifest}
        else:
            _forget_metrics(run)
    save_checkpoint(run.model_path, state)
    return model.eval()


def _same_weights(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether two whole models compute the same."""
    old, new = before["state_dict"], now["state_dict"]
    same = ModelConfig.from_dict(before["config"]) == ModelConfig.from_dict(now["config"])
    return same and old.keys() == new.keys() and all(torch.equal(old[k], new[k]) for k in new)


def _forget_metrics(run: Run) -> None:
    """What was measured of a model that is about to be replaced is nothing of the new one's."""
    path = run.folder / "metrics.json"
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"The old {path} can't be removed ({error.strerror}).") from error
    run.progress.note(
        f"{run.model_path} has other weights than before, and nothing is measured of them: "
        "run `gesta-train calibrate` and `gesta-train evaluate` again"
    )


def export(run: Run) -> Path:
    """Write RUN/bundle, in place of an older one, from the model and what was measured of it.

    Raises OutputError where it can't be written, or another process works on the model.
    """
    with locked(run.folder, MODEL, "works on the model"):
        return _export(run)


def _export(run: Run) -> Path:
    model, state = read_model(run), read_model_state(run)
    target = run.folder / "bundle"
    try:
        if target.exists():
            shutil.rmtree(target)
    except OSError as error:
        raise OutputError(f"The old {target} can't be removed ({error.strerror}).") from error
    export_bundle(model, run.config, target, manifest=state["manifest"])
    run.progress.note(f"the bundle is {target}")
    return target
