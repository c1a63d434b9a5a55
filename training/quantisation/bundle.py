"""A bundle -> the same bundle with int8 graphs, if their answers are good enough."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from engine import parity
from engine.agreement import Agreement, compare
from engine.arrays import U8
from engine.bundle import STREAMS, Bundle, write_sums
from engine.device import open_graphs
from engine.graphs import Graphs
from engine.recogniser import Recogniser, Sample
from training.errors import ExportError
from training.export import new_bundle, read_bundle
from training.progress import Progress
from training.quantisation.graph import int8_graph
from training.quantisation.stream import quantise_stream

FEWEST_AGREE = 0.98  # of the answers must be fp32's
# Of the golden probabilities: a device may stray twice as far as the one that the graphs were made
# on, since it rounds otherwise. The first bound is for graphs that happen to hit them exactly.
_SLACK, _LEAST_TOLERANCE = 2.0, 0.02
_UNBOUNDED = 1.0  # no two probabilities differ by more


def add_int8(
    bundle: Bundle,
    folder: Path,
    *,
    images: tuple[U8, U8],
    samples: Iterable[Sample],
    progress: Progress,
) -> Agreement | None:
    """Write a copy of `bundle` with int8 graphs into `folder`, which must not hold anything yet.

    Args:
        images: frames and stacks to calibrate on.
        samples: to measure on; where there are none, nothing is measured, and nothing refused.

    Returns how often int8 gives fp32's answers on the samples.

    Raises:
        ExportError: too seldom. OutputError: the folder can't be written.
        EngineError: the graphs don't run here.
    """
    with new_bundle(folder) as part:
        for name, text in bundle.contents().items():
            (part / name).write_bytes(text)
        _write_graphs(bundle, part, images, progress)
        # Unbounded until it is known how far int8 is from the golden numbers.
        _describe(bundle, part, tolerance=_UNBOUNDED, agreement=None)
        trial = Bundle.open(part)
        agreement, drift = _measure(trial, samples, progress)
        if agreement is not None and agreement.share < FEWEST_AGREE:
            raise ExportError(
                f"In int8 only {agreement}; {FEWEST_AGREE:.0%} are wanted: calibrate on more clips "
                "that are like those of the training, or do without int8."
            )
        tolerance = max(_LEAST_TOLERANCE, round(_SLACK * drift, 3))
        _describe(bundle, part, tolerance=tolerance, agreement=agreement)
    return agreement


def _write_graphs(bundle: Bundle, folder: Path, images: tuple[U8, U8], progress: Progress) -> None:
    model, config = read_bundle(bundle.path)
    sides = (config.input_size, config.flow_size)
    for name, given, side in zip(STREAMS, images, sides, strict=True):
        progress.note(f"calibrating {name} on {len(given)} images")
        quantised = quantise_stream(getattr(model, name), given)
        (folder / f"{name}.int8.onnx").write_bytes(int8_graph(quantised, side=side))


def _describe(
    bundle: Bundle, folder: Path, *, tolerance: float, agreement: Agreement | None
) -> None:
    """Write bundle.json and the sums."""
    manifest = bundle.manifest
    share = {} if agreement is None else {"int8": round(agreement.share, 4)}
    described = msgspec.structs.replace(
        manifest,
        tolerance={**manifest.tolerance, "int8": tolerance},
        agreement={**manifest.agreement, **share},
    )
    (folder / "bundle.json").write_bytes(described.encode())
    write_sums(folder)


def _measure(
    bundle: Bundle, samples: Iterable[Sample], progress: Progress
) -> tuple[Agreement | None, float]:
    """How often int8 agrees with fp32, and how far it is from the golden probabilities."""
    with ExitStack() as stack:

        def opened(precision: str) -> Graphs:
            graphs = open_graphs(bundle, "cpu", precision, progress=progress.note)
            stack.callback(graphs.close)
            return graphs

        fp32, int8 = opened("fp32"), opened("int8")
        drift = parity.measure(bundle, int8).worst
        progress.note("comparing int8 with fp32")
        found = compare(samples, Recogniser(bundle, fp32), Recogniser(bundle, int8))
    return (found if found.predictions else None), drift
