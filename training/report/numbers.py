"""What was measured, as tables of a run's report."""

from __future__ import annotations

from collections.abc import Sequence

from training.evaluation.results import IdleResult, JoinedResult, Metrics, Result
from training.report.pictures.page import Grid

_LABELS = 4  # of the actions that false alarms are taken for


def number_tables(metrics: Metrics) -> list[Grid]:
    """Accuracy; then of clips joined into streams, and false alarms, where they were measured."""
    found = [_accuracy(metrics.results)] if metrics.results else []
    found += [_joined(metrics.joined)] if metrics.joined else []
    found += [_idle(metrics.idle)] if metrics.idle else []
    return found


def _accuracy(results: Sequence[Result]) -> Grid:
    return Grid(
        (
            "data",
            "part",
            "protocol",
            "flow",
            "crops",
            "count",
            "both",
            "RGB",
            "flow alone",
            "mAP",
            "ECE",
        ),
        [
            (
                found.data_set,
                found.split,
                found.protocol,
                found.flow,
                str(found.crops),
                str(found.count),
                f"{found.accuracy.fused:.1%}",
                f"{found.accuracy.rgb:.1%}",
                f"{found.accuracy.flow:.1%}",
                f"{found.mean_average_precision:.1%}",
                f"{found.calibration_error.fused:.3f}",
            )
            for found in results
        ],
        4,
        "Accuracy of both streams and of each alone; mean average precision and expected "
        "calibration error of both. global: 30 frames spread over a clip, the paper's; grid: what "
        "a stream says at a clip's last sample, window full or not.",
    )


def _joined(results: Sequence[JoinedResult]) -> Grid:
    rows = []
    for found in results:
        right = "-" if found.time_to_correct_s is None else f"{found.time_to_correct_s:.2f} s"
        rows += [
            (
                found.data_set,
                found.split,
                found.flow,
                str(found.clips),
                f"{found.duration_s:.0f} s",
                f"{cut.grace_s:.2f} s",
                str(cut.samples),
                "-" if cut.accuracy is None else f"{cut.accuracy:.1%}",
                right,
                f"{found.never_correct:.1%}",
            )
            for cut in found.after_cut
        ]
    return Grid(
        (
            "data",
            "part",
            "flow",
            "clips",
            "length",
            "grace",
            "samples",
            "right",
            "time to right",
            "never",
        ),
        rows,
        3,
        "The test clips joined into one long stream: accuracy over all samples that lie at least "
        "the grace after their clip's first; the median time until the answer is right and stays "
        "so, and the share of clips where it never does.",
    )


def _idle(results: Sequence[IdleResult]) -> Grid:
    return Grid(
        ("data", "flow", "taken for", "length", "threshold", "alarms", "an hour"),
        [
            (
                found.data_set,
                found.flow,
                ", ".join(sorted(rate.labels, key=rate.labels.__getitem__, reverse=True)[:_LABELS]),
                f"{found.duration_s:.0f} s",
                f"{rate.threshold:.2f}",
                str(rate.alarms),
                f"{rate.per_hour:.1f}",
            )
            for found in results
            for rate in found.rates
        ],
        3,
        "False alarms on footage in which nothing happens, by the probability below which the "
        "model gives no answer.",
    )
