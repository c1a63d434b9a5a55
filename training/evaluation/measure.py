"""The two steps that measure a trained model: calibrate it, and evaluate it on every test part.

What is measured is the model as a bundle holds it, with rounded weights, in fp32.
"""

from __future__ import annotations

from dataclasses import asdict

import msgspec

from training.checkpoint import save_checkpoint
from training.data.frame_store import StoredClip
from training.evaluation.calibration import CalibrationSet
from training.evaluation.clip_scores import GRID, Scores, clip_scores
from training.evaluation.clips import DataSet, evaluate_clips
from training.evaluation.idle import choose_threshold, evaluate_idle
from training.evaluation.joined import evaluate_joined
from training.evaluation.metrics import Labels
from training.evaluation.results import (
    Calibrated,
    CalibrationResult,
    IdleResult,
    JoinedResult,
    Metrics,
    OfStreams,
    Result,
)
from training.evaluation.streams import evaluate_streams, middle_scores, numbers_of
from training.frozen import freeze_streams
from training.lock import locked
from training.manifest import accuracy_entries, manifest_fields
from training.model.consensus import Temperatures
from training.model.sta_tsn import StaTsn
from training.onnx_export import round_weights
from training.run import MODEL, Run, read_model, read_model_state


def calibrate(run: Run) -> None:
    """Fit the temperatures on what is held out for it, and the abstention threshold on idle
    footage. Without either they stay 1 and 0.

    Raises CheckpointError where the model isn't the recipe's, OutputError where another process
    works on it.
    """
    with locked(run.folder, MODEL, "works on the model"):
        _calibrate(run)


def _calibrate(run: Run) -> None:
    model = _model(run)
    model.temperatures = Temperatures(fusion=run.recipe.calibration.fusion)
    parts = _calibration_parts(run, model)
    examples, fitted = None, None
    if parts:
        examples = CalibrationSet.pool(list(parts.values()))
        plain = model.temperatures
        model.temperatures = examples.fit(plain.fusion)
        fitted = CalibrationResult(
            counts={name: len(labels) for name, (_, labels) in parts.items()},
            flows=run.flows,
            temperatures=OfStreams(
                fused=model.temperatures.fused,
                rgb=model.temperatures.rgb,
                flow=model.temperatures.flow,
            ),
            error_before=examples.errors(plain),
            error_after=examples.errors(model.temperatures),
        )
        before, after = fitted.error_before.fused, fitted.error_after.fused
        run.progress.note(
            f"temperatures rgb {model.temperatures.rgb:.3f}, flow {model.temperatures.flow:.3f}, "
            f"fused {model.temperatures.fused:.3f}, fitted on {sum(fitted.counts.values())} "
            f"examples: calibration error {before:.3f} before, {after:.3f} after"
        )
    abstention = choose_threshold(run, model, examples) if run.recipe.calibration.idle else None
    state = read_model_state(run)
    manifest = {
        **state["manifest"],
        "calibration": asdict(model.temperatures),
        "abstain_below": (abstention and abstention.threshold) or 0.0,
    }
    how = msgspec.to_builtins(Calibrated(calibration=fitted, abstention=abstention))
    save_checkpoint(run.model_path, {**state, "manifest": manifest, "calibrated": how})


def evaluate(run: Run, *, crops: int = 1, far: bool = False) -> Metrics:
    """Measure the model on every test part, write metrics.json, and put the numbers with it.

    crops: of each frame of labelled clips. far: these also from further away.

    Raises CheckpointError where the model isn't the recipe's, OutputError where another process
    works on it.
    """
    with locked(run.folder, MODEL, "works on the model"):
        return _evaluate(run, crops=crops, far=far)


def _evaluate(run: Run, *, crops: int, far: bool) -> Metrics:
    model, state = _model(run), read_model_state(run)
    results: list[Result] = []
    joined: list[JoinedResult] = []
    idle: list[IdleResult] = []
    for name, described in run.recipe.sets.items():
        data_set = DataSet(name, described.test_part, run.recipe.classes)
        if described.use == "idle":
            idle += evaluate_idle(run, model, name, state["manifest"].get("abstain_below", 0.0))
        elif described.layout == "streams" and described.use == "test":
            results += evaluate_streams(
                model,
                run.stored_streams(name),
                data_set,
                flows=run.flows_of(name),
                timing=run.timing,
                side=run.config.input_size,
                progress=run.progress,
            )
        elif described.layout != "streams" and (test := run.clips(name)[1]):
            clips = run.stored(name, test)
            results += evaluate_clips(
                model,
                clips,
                data_set,
                flows=run.flows_of(name),
                crops=crops,
                far=far,
                sample_every=run.recipe.bundle.sample_every,
                side=run.config.input_size,
                progress=run.progress,
            )
            if _joinable(run, clips):
                at_ends, one = evaluate_joined(
                    model,
                    clips,
                    data_set,
                    flows=run.store(name).preparation.flows,
                    timing=run.timing,
                    seed=run.recipe.seed,
                    side=run.config.input_size,
                    progress=run.progress,
                )
                results += at_ends
                joined += one
    how = msgspec.convert(state.get("calibrated", {}), Calibrated)
    measured = Metrics(
        classes=run.recipe.classes,
        calibration=how.calibration,
        abstention=how.abstention,
        results=tuple(results),
        joined=tuple(joined),
        idle=tuple(idle),
    )
    _note(run, measured)
    measured.write(run.folder / "metrics.json")
    manifest = {**state["manifest"], **manifest_fields(run.recipe, measured)}
    save_checkpoint(run.model_path, {**state, "manifest": manifest})
    return measured


def _model(run: Run) -> StaTsn:
    model = read_model(run)
    round_weights(model)
    return freeze_streams(model)


def _joinable(run: Run, clips: list[StoredClip]) -> bool:
    """Whether clips make a stream with one truth at each tick."""
    on_a_grid = run.recipe.prepared.grid_fps != "native"
    return on_a_grid and all(len(clip.labels) == 1 for clip in clips)


def _calibration_parts(run: Run, model: StaTsn) -> dict[str, tuple[Scores, Labels]]:
    """Scores and labels of each set that has something held out: the middles of the intervals of
    `calibrate` streams, and the last samples of clips held out of a training part.
    """
    parts = {}
    for name, described in run.recipe.sets.items():
        if described.use == "calibrate":
            scores, labels = middle_scores(
                model,
                run.stored_streams(name),
                flows=run.flows_of(name),
                timing=run.timing,
                side=run.config.input_size,
                progress=run.progress,
            )
        elif described.trains and (held_out := run.held_out(name)):
            clips = run.stored(name, held_out)
            labels = [clip.label for clip in clips]
            scores = clip_scores(
                model,
                clips,
                flows=run.flows_of(name),
                sample_every=run.recipe.bundle.sample_every,
                side=run.config.input_size,
                progress=run.progress,
            )[GRID]
        else:
            continue
        parts[name] = (scores, numbers_of(labels, run.recipe.classes))
    return parts


def _note(run: Run, measured: Metrics) -> None:
    """The numbers in short, for the terminal and the log."""
    for entry in accuracy_entries(measured):
        run.progress.note(
            f"{entry['data_set']} {entry['split']}, {entry['protocol']}, {entry['streams']}: "
            f"{entry['value']:.1%} ({entry['note']})"
        )
    for result in measured.results:
        if result.confusion is None:  # clips show several classes: what such sets are compared by
            crops = "one crop" if result.crops == 1 else f"{result.crops} crops"
            run.progress.note(
                f"{result.data_set} {result.split}, {result.protocol}, mAP: "
                f"{result.mean_average_precision:.1%} ({result.count} {result.unit}, {crops}, "
                f"flow {result.flow})"
            )
    for joined in measured.joined:
        reached = (
            "never" if joined.time_to_correct_s is None else f"{joined.time_to_correct_s:.2f} s"
        )
        run.progress.note(
            f"{joined.data_set} {joined.split}, joined, flow {joined.flow}: right after {reached} "
            f"(median), {joined.never_correct:.1%} of the clips never"
        )
    for idle in measured.idle:
        rates = ", ".join(f"{rate.per_hour:.1f} at {rate.threshold:g}" for rate in idle.rates)
        run.progress.note(
            f"{idle.data_set}, flow {idle.flow}: false alarms an hour in {idle.duration_s:.0f} s: "
            f"{rates}"
        )
