"""The test clips as one long stream: what the daemon would say if a camera showed them in turn.

`docs/evaluation.md` states each number exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engine.arrays import U8
from engine.flow.open import open_flow
from engine.flow.quantise import quantise
from engine.preprocess import grey
from training.data.frame_store import StoredClip
from training.data.joined_clips import JoinedClips
from training.data.labelled_streams import Interval
from training.data.preparation import PreparedFlow
from training.evaluation.clip_scores import RGB, Protocol
from training.evaluation.clips import DataSet, result
from training.evaluation.metrics import Truth, right
from training.evaluation.probabilities import probabilities
from training.evaluation.results import AfterCut, JoinedResult, Result
from training.evaluation.rolling import footage_scores
from training.evaluation.streams import Timing, numbers_of
from training.model.sta_tsn import StaTsn
from training.progress import Progress

END_OF_CLIP = Protocol("grid, end of clip", 1)
END_OF_LONG_CLIP = Protocol("grid, end of long clip", 1)


def evaluate_joined(
    model: StaTsn,
    clips: Sequence[StoredClip],
    data_set: DataSet,
    *,
    flows: Mapping[str, PreparedFlow],
    timing: Timing,
    seed: int,
    side: int,
    precision: str = "fp32",
    progress: Progress,
) -> tuple[list[Result], list[JoinedResult]]:
    """Join the clips in an order drawn by `seed`, and judge the rolling predictions.

    flows: how each was prepared; the pair across a cut is computed in the same way. The results
    are those at each clip's last sample, the counterpart of clip accuracy, and the same for those
    clips alone that fill the window by then. A clip without a sample has no last one.
    """
    order = np.random.default_rng(seed).permutation(len(clips))
    footage = {
        flow: join([clips[index].with_flow(flow) for index in order], flow, settings)
        for flow, settings in flows.items()
    }
    scores = footage_scores(
        model,
        footage,
        sample_every=timing.sample_every,
        side=side,
        precision=precision,
        progress=progress,
    )
    intervals = next(iter(footage.values())).intervals
    labels = numbers_of([interval.label for interval in intervals], data_set.classes)
    inside = [timing.samples(interval) for interval in intervals]
    results, joined = [], []
    window = model.segments * model.frames_per_segment
    for flow in flows:
        for protocol, least in ((END_OF_CLIP, 1), (END_OF_LONG_CLIP, window)):
            chosen = [index for index, samples in enumerate(inside) if len(samples) >= least]
            last = [inside[index][-1] for index in chosen]
            at_ends = {name: scores[name][last] for name in (RGB, flow)}
            if chosen:
                results.append(
                    result(
                        at_ends, flow, labels[chosen], data_set, model.temperatures, protocol,
                        "clips",
                    )
                )  # fmt: skip
        fused = probabilities(scores[RGB], scores[flow], model.temperatures).fused
        hits = [
            right(fused[samples.start : samples.stop], np.full(len(samples), label))
            for samples, label in zip(inside, labels, strict=True)
        ]
        times_s = [
            time_to_correct_s(hit, interval, timing)
            for hit, interval in zip(hits, intervals, strict=True)
        ]
        reached = [time_s for time_s in times_s if time_s is not None]
        joined.append(
            JoinedResult(
                data_set=data_set.name,
                split=data_set.split,
                flow=flow,
                seed=seed,
                clips=len(clips),
                duration_s=footage[flow].ticks / timing.grid_fps,
                after_cut=tuple(
                    after_cut(hits, segments, model.frames_per_segment, timing)
                    for segments in range(model.segments + 1)
                ),
                time_to_correct_s=float(np.median(reached)) if reached else None,
                never_correct=1 - len(reached) / len(clips),
            )
        )
    return results, joined


def join(clips: Sequence[StoredClip], flow: str, settings: PreparedFlow) -> JoinedClips:
    """Clips bound to `flow` as one stream, with flow across the cuts as a stream computes it."""
    estimator = open_flow(flow, settings.parameters)
    downsampling = clips[0].flow_downsampling

    def pair_at_cut(last: U8, first: U8) -> U8:
        moved = estimator.estimate(grey(last, downsampling), grey(first, downsampling))
        return quantise(moved, settings.bound_px)

    return JoinedClips(clips, pair_at_cut)


def after_cut(hits: Sequence[Truth], segments: int, k: int, timing: Timing) -> AfterCut:
    """Accuracy over the samples whose window holds `segments` or more segments of their own clip.

    hits: for each clip, whether each of its samples is right.
    """
    skipped = max(0, segments * k - 1)
    counted = np.concatenate([of_clip[skipped:] for of_clip in hits])
    return AfterCut(
        segments=segments,
        grace_s=skipped * timing.sample_s,
        samples=len(counted),
        accuracy=float(counted.mean()) if len(counted) else None,
    )


def time_to_correct_s(hits: Truth, interval: Interval, timing: Timing) -> float | None:
    """From the cut to the first sample from which on the answer is right until the next cut.

    hits: whether each sample of `interval` is right. None where the last one is wrong, or there
    is none.
    """
    if not len(hits) or not hits[-1]:
        return None
    wrong = np.flatnonzero(~hits)
    first = int(wrong[-1]) + 1 if len(wrong) else 0
    tick = timing.samples(interval)[first] * timing.sample_every
    return (tick - interval.start_tick) / timing.grid_fps
