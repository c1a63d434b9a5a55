"""False alarms of a run's model on its sets of idle footage, and the threshold chosen on them."""

from __future__ import annotations

from functools import partial
from pathlib import PurePosixPath

from training.errors import DataError
from training.evaluation.calibration import CalibrationSet
from training.evaluation.clip_scores import RGB, Scores
from training.evaluation.false_alarms import (
    THRESHOLDS,
    IdleVideo,
    abstention_threshold,
    alarm_rate,
    duration_s,
)
from training.evaluation.probabilities import probabilities
from training.evaluation.results import Abstention, IdleResult
from training.evaluation.rolling import bound_to, footage_scores, kept_scores
from training.features import digest_of
from training.model.sta_tsn import StaTsn
from training.run import Run


def choose_threshold(run: Run, model: StaTsn, examples: CalibrationSet | None) -> Abstention:
    """The threshold of the sets that the recipe names for it, high enough with every flow.

    examples: of the calibration, to tell what the threshold costs.
    """
    settings, timing = run.recipe.calibration, run.timing
    thresholds: list[float | None] = []
    seconds = 0.0
    scores = [(name, _idle_scores(run, model, name)) for name in settings.idle]
    for flow in run.flows_of(*settings.idle):
        videos = [
            video
            for name, of_set in scores
            for video in _idle_videos(run, model, name, of_set, flow)
        ]
        seconds = duration_s(videos, timing.sample_s)
        thresholds.append(
            abstention_threshold(
                videos,
                per_hour=settings.false_alarms_per_hour,
                min_duration_s=settings.alarm_s,
                sample_s=timing.sample_s,
            )
        )
    enough = [threshold for threshold in thresholds if threshold is not None]
    threshold = max(enough) if len(enough) == len(thresholds) else None
    lost = None
    if examples is not None and threshold is not None:
        lost = examples.right_lost(model.temperatures, threshold)
    run.progress.note(
        f"no threshold leaves {settings.false_alarms_per_hour:g} false alarms an hour or fewer: "
        "the model will always answer"
        if threshold is None
        else f"abstains below {threshold:.3f}, which leaves {settings.false_alarms_per_hour:g} "
        f"false alarms an hour or fewer in {seconds:.0f} s of idle footage"
        + ("" if lost is None else f", and takes {lost:.1%} of the right answers")
    )
    return Abstention(
        sets=settings.idle,
        duration_s=seconds,
        per_hour=settings.false_alarms_per_hour,
        min_duration_s=settings.alarm_s,
        threshold=threshold,
        right_lost=lost,
    )


def evaluate_idle(run: Run, model: StaTsn, name: str, abstain_below: float) -> list[IdleResult]:
    """False alarms in a set of idle footage with each flow, at several thresholds."""
    settings, timing = run.recipe.calibration, run.timing
    scores = _idle_scores(run, model, name)
    found = []
    for flow in run.flows_of(name):
        videos = _idle_videos(run, model, name, scores, flow)
        samples = sum(len(video.best) for video in videos)
        alarming = sum(int((video.confidence > 0).sum()) for video in videos)
        found.append(
            IdleResult(
                data_set=name,
                flow=flow,
                videos=len(videos),
                duration_s=duration_s(videos, timing.sample_s),
                allowed=run.recipe.sets[name].allowed,
                min_duration_s=settings.alarm_s,
                fitted=name in settings.idle,
                wrong_samples=alarming / samples,
                rates=tuple(
                    alarm_rate(
                        videos,
                        run.recipe.classes,
                        threshold,
                        min_duration_s=settings.alarm_s,
                        sample_s=timing.sample_s,
                    )
                    for threshold in sorted({*THRESHOLDS, abstain_below})
                ),
            )
        )
    return found


def _idle_videos(
    run: Run, model: StaTsn, name: str, scores: list[Scores], flow: str
) -> list[IdleVideo]:
    """What is said of a set of idle footage, with one flow and the model's temperatures."""
    classes, window = run.recipe.classes, model.segments * model.frames_per_segment
    allowed = [classes.index(label) for label in run.recipe.sets[name].allowed]
    videos = []
    for each in scores:
        fused = probabilities(each[RGB], each[flow], model.temperatures).fused
        videos.append(IdleVideo.judge(fused, window=window, allowed=allowed))
    if not any(len(video.best) for video in videos):
        raise DataError(f"No video of {name!r} is as long as the window: give longer ones.")
    return videos


def _idle_scores(run: Run, model: StaTsn, name: str) -> list[Scores]:
    """The rolling scores of each video; kept in the run, since there may be an hour of them."""
    every, side, flows = run.timing.sample_every, run.config.input_size, run.flows_of(name)
    seen_by = f"every{every}_{side}px_{digest_of(model)}"
    found = []
    for clip in run.stored(name, run.clips(name)[1]):
        file = f"{PurePosixPath(clip.key).name}_{seen_by}.npz"
        compute = partial(
            footage_scores,
            model,
            bound_to(clip, flows),
            sample_every=every,
            side=side,
            progress=run.progress,
        )
        found.append(kept_scores(run.folder / "scores" / name / file, (RGB, *flows), compute))
    return found
