"""Trains and measures the models of Table 2. Each has a run folder of its own below the ablation's:

    RUN/store/                              prepared clips, shared by all
    RUN/split1/seed0/cnn/                   a run: rgb.pt, flow.pt, run.log; and row.json
    RUN/split1/seed0/sta_tsn_gain1_head0/   its first stage is a link to that of sa_cnn_tsn_gain1

Every step can be stopped and started again; what is done stays done. A row.json says which
weights it was measured with and on which clips, and is measured again where either has changed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from training import steps
from training.ablation.report import ROW_FILE, RowReport, read_row
from training.ablation.rows import Row, Variant, on_split
from training.ablation.scores import Head, all_kept, keep_features, scores_of
from training.checkpoint import load_checkpoint
from training.data.frame_store import StoredClip
from training.errors import DataError, OutputError
from training.evaluation.attention_focus import attention_focus
from training.evaluation.clip_scores import RGB, Protocol
from training.evaluation.clips import DataSet, result, truth_of
from training.features import MODALITIES, digest, digest_of
from training.frozen import FrozenStream
from training.model.build import Modality, build_head
from training.model.consensus import Temperatures
from training.model.sta_tsn import SpatialStream
from training.progress import Progress
from training.recipe import Recipe
from training.record import keep_config
from training.run import Run, read_stage1


@dataclass(frozen=True)
class Measured:
    variant: Variant
    report: RowReport


def prepare(base: Run, splits: Sequence[int], workers: int | None) -> None:
    """Decode the clips of every split into the store that all rows share."""
    for split in splits:
        steps.prepare_data(_run(base, on_split(base.recipe, split), base.folder), workers)


def train(
    base: Run, variants: Sequence[Variant], modalities: Sequence[Modality], *, crops: int
) -> None:
    """Train what isn't yet, and take the features of the test clips where they will be needed."""
    for variant in variants:
        run = run_of(base, variant)
        for modality in modalities:
            if variant.row.key_frames:
                steps.stage2(run, modality)
            else:
                steps.stage1(run, modality)
            if not _is_measured(run, variant.row, crops):
                _features(run, modality, crops)


def measure(base: Run, variants: Sequence[Variant], *, crops: int) -> list[Measured]:
    """The report of every variant; those with a second stage become whole models as well."""
    found = []
    for variant in variants:
        run, row = run_of(base, variant), variant.row
        if not _is_measured(run, row, crops):
            if row.key_frames:
                steps.assemble(run)
            _measure(run, row, crops)
            if not row.consensus:  # no second stage will ask for them again
                shutil.rmtree(run.folder / "features", ignore_errors=True)
        found.append(Measured(variant, read_row(run.folder / ROW_FILE)))
    return found


def run_of(base: Run, variant: Variant) -> Run:
    """The run of one variant, its folder made and linked to what it shares with others.

    Raises RecipeError where the folder holds a stage that was trained by another recipe.
    """
    run = _run(base, variant.recipe(base.recipe), base.folder / variant.folder)
    keep_config(run.folder, run.recipe, run.weights, trains=True)
    for name in ("store", "environment.json"):
        _link(run.folder / name, base.folder / name)
    if variant.row.key_frames:
        below = base.folder / variant.first_stage.folder
        for name in ("rgb.pt", "flow.pt", "features"):
            _link(run.folder / name, below / name)
    return run


def test_sets(run: Run) -> dict[str, list[StoredClip]]:
    """The labelled test clips of every set that has some.

    Raises DataError where none has.
    """
    found = {
        name: run.stored(name, test)
        for name, described in run.recipe.sets.items()
        if described.layout != "streams" and (test := run.clips(name)[1])
    }
    if not found:
        raise DataError("No set of this recipe has test clips: add one with `use = 'test'`.")
    return found


def _measure(run: Run, row: Row, crops: int) -> None:
    """Write row.json. Raises OutputError where it can't be written."""
    trained = {modality: _trained(run, modality, row) for modality in MODALITIES}
    features = {modality: _features(run, modality, crops) for modality in MODALITIES}
    flow = run.recipe.prepared.default_flow
    results, focus = {}, {}
    sets = test_sets(run)
    for name, clips in sets.items():
        scores = {
            RGB if modality == "rgb" else flow: scores_of(
                head, clips, features[modality][name], segments=run.config.segments
            )
            for modality, (_, head) in trained.items()
        }
        data_set = DataSet(name, run.recipe.sets[name].test_part, run.recipe.classes)
        truth = truth_of(clips, run.recipe.classes)
        protocol = Protocol("global", crops)
        results[name] = result(scores, flow, truth, data_set, Temperatures(), protocol, "clips")
        if row.spatial_attention and not row.key_frames:
            focus[name] = attention_focus(
                {m: _compiled(run, stream) for m, (stream, _) in trained.items()},
                clips,
                side=run.config.input_size,
                bound_px=run.recipe.prepared.flows[flow].bound_px,
                progress=run.progress,
            )
    report = RowReport(
        weights=_weights(run, row), clips=_clips(sets), results=results, attention_focus=focus
    )
    report.write(run.folder / ROW_FILE)


def _features(run: Run, modality: Modality, crops: int) -> dict[str, Path]:
    """For each test set the folder with its clips' features, taken now where they aren't there.

    A folder's name says what its features follow from, so those of older weights or of another
    input size aren't taken.
    """
    stream = read_stage1(run, modality).stream
    made_of = f"{digest_of(stream)}_{run.config.input_size}px_{run.recipe.precision}"
    folders = {}
    for name, clips in test_sets(run).items():
        folders[name] = run.folder / "features" / f"{modality}_{name}_{crops}_crops_{made_of}"
        if not all_kept(clips, folders[name]):
            keep_features(
                _compiled(run, stream),
                modality,
                clips,
                folders[name],
                window=run.config.window,
                side=run.config.input_size,
                crops=crops,
                precision=run.recipe.precision,
                progress=run.progress,
            )
    return folders


def _compiled(run: Run, stream: SpatialStream) -> SpatialStream | FrozenStream:
    """A stream as it computes fastest: on a CPU compiled."""
    if run.device.type != "cpu":
        return stream
    return FrozenStream(stream, precision=run.recipe.precision)


def _trained(run: Run, modality: Modality, row: Row) -> tuple[SpatialStream, Head]:
    """A row's stream, and what scores its features."""
    first = read_stage1(run, modality)
    if not row.key_frames:
        return first.stream, first.classifier
    head = build_head(run.config)
    head.load_state_dict(load_checkpoint(run.folder / f"{modality}_head.pt")["state_dict"])
    return first.stream, head.eval()


def _weights(run: Run, row: Row) -> dict[str, str]:
    """For each stream a digest of what was trained, and how it looks at a clip."""
    looks = f"{run.config.window} frames of {run.config.input_size} px, {run.recipe.precision}"
    return {m: f"{digest_of(nn.ModuleList(_trained(run, m, row)))}, {looks}" for m in MODALITIES}


def _clips(sets: Mapping[str, Sequence[StoredClip]]) -> dict[str, str]:
    """For each test set how many clips it has, and a digest of which, their labels and flow."""
    return {
        name: f"{len(clips)}, {digest([(c.key, c.labels, c.flow_name) for c in clips])}"
        for name, clips in sets.items()
    }


def _is_measured(run: Run, row: Row, crops: int) -> bool:
    path = run.folder / ROW_FILE
    if not path.is_file():
        return False
    report = read_row(path)
    same = all(found.crops == crops for found in report.results.values())
    of_now = report.clips == _clips(test_sets(run))
    return same and of_now and report.weights == _weights(run, row)


def _run(base: Run, recipe: Recipe, folder: Path) -> Run:
    return replace(base, recipe=recipe, folder=folder, progress=Progress(log=folder / "run.log"))


def _link(path: Path, target: Path) -> None:
    """A relative link, so that the whole ablation can be moved.

    Raises OutputError where it can't be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(os.path.relpath(target, path.parent))
    except FileExistsError:
        pass  # from before, or from the process that trains the other stream
    except OSError as error:
        raise OutputError(f"{path} can't be made ({error.strerror}).") from error
