"""Shows a benchmark: the rows in milliseconds, and what they say as ratios."""

from __future__ import annotations

from collections.abc import Iterator

from engine.benchmark import Report

RECOMPUTED = "OpenVINO, recomputed"
TORCH = "torch, recomputed"
INCREMENTAL = "incremental"


def table(report: Report) -> str:
    """The whole report as text, ratios last."""
    return "\n".join(_lines(report))


def ratios(report: Report) -> dict[str, float]:
    """What is how many times cheaper, by a sentence that says it; only what was measured."""
    pairs = {
        f"incremental {p} than the same runner recomputing": ((RECOMPUTED, p), (INCREMENTAL, p))
        for p in report.cnn_ms
    }
    for p in report.cnn_ms:
        pairs[f"incremental {p} than torch {p}"] = ((TORCH, p), (INCREMENTAL, p))
    for p in ("bf16", "int8"):
        pairs[f"incremental {p} than torch fp32"] = ((TORCH, "fp32"), (INCREMENTAL, p))
    found = {
        f"CNNs in {p} than in fp32": report.cnn_ms["fp32"] / cnn_ms
        for p, cnn_ms in report.cnn_ms.items()
        if "fp32" in report.cnn_ms and p != "fp32"
    }
    for sentence, (slow, fast) in pairs.items():
        slow_ms, fast_ms = report.ms(*slow), report.ms(*fast)
        if slow_ms is not None and fast_ms is not None:
            found[sentence] = slow_ms / fast_ms
    return found


def _lines(report: Report) -> Iterator[str]:
    yield (
        f"One prediction of bundle '{report.bundle}': two streams {report.backbone}, a window of "
        f"{report.window_samples} samples, {report.threads} threads"
    )
    yield ""
    yield f"{'':<24}{'precision':<12}{'ms':>10}{'rounds':>9}"
    for row in report.rows:
        yield f"{row.name:<24}{row.precision:<12}{row.ms:>10.2f}{row.rounds:>9}"
    yield ""
    for precision, cnn_ms in report.cnn_ms.items():
        head_ms = report.head_ms[precision]
        yield f"one hop in {precision}: CNNs {cnn_ms:.2f} ms, attention heads {head_ms:.2f} ms"
    for size, ms in report.flow_ms.items():
        yield f"DIS flow (medium), one pair at {size}: {ms:.2f} ms, not part of the rows above"
    yield ""
    for sentence, ratio in ratios(report).items():
        yield f"{ratio:>7.1f} times cheaper: {sentence}"
    if report.note:
        yield report.note
