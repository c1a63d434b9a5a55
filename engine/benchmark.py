"""What one prediction costs, three ways, in one run: the reason for the lanes.

    torch, recomputed      the window's frames through both streams for every prediction
    OpenVINO, recomputed   the same work on this engine's own runner
    incremental            one frame and one lane step per stream: what the daemon does

Times are medians over alternating rounds, so that a machine that slows down slows all rows. The
torch row runs in a process of its own (`python -m training.benchmark`), since the engine never
imports torch; without torch installed that row is left out, and the table says so.
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from engine.arrays import U8
from engine.bundle import Bundle
from engine.device import open_graphs
from engine.errors import EngineError
from engine.flow.open import open_flow
from engine.graphs import Graphs
from engine.lanes import Lanes, lane_step
from engine.manifest import Manifest
from engine.preprocess import grey

FLOW_SIZES_PX = ((224, 176), (340, 256))  # (w, h): the default bundle's, the paper's


@dataclass(frozen=True)
class Row:
    """One way to get one prediction. ms: median of `rounds` wall-clock times."""

    name: str
    precision: str
    ms: float
    rounds: int


@dataclass(frozen=True)
class Report:
    """All rows of one run. cnn_ms, head_ms: one incremental hop, both streams, by precision."""

    bundle: str
    backbone: str
    window_samples: int
    threads: int
    rows: tuple[Row, ...]
    cnn_ms: Mapping[str, float]
    head_ms: Mapping[str, float]
    flow_ms: Mapping[str, float]
    note: str = ""

    def ms(self, name: str, precision: str) -> float | None:
        found = (row.ms for row in self.rows if (row.name, row.precision) == (name, precision))
        return next(found, None)


class _Hop:
    """The work of one hop, both streams, on inputs that stay the same: what is timed."""

    def __init__(self, graphs: Graphs, inputs: tuple[U8, U8], manifest: Manifest) -> None:
        self._cnns = [
            (cnn, {"frames": frame[np.newaxis]})
            for cnn, frame in zip((graphs.rgb, graphs.flow), inputs, strict=True)
        ]
        self._heads = [
            (head, Lanes.of(manifest), cnn.run(frame)["features"])
            for head, (cnn, frame) in zip(
                (graphs.rgb_head, graphs.flow_head), self._cnns, strict=True
            )
        ]

    def frame(self) -> None:
        """One frame and one flow stack through the CNNs."""
        for cnn, frame in self._cnns:
            cnn.run(frame)

    def hop(self) -> None:
        """One lane step of either head."""
        for head, lanes, features in self._heads:
            lane_step(head, [lanes], features)


def measure(
    bundle: Bundle,
    *,
    precisions: Sequence[str],
    rounds: int,
    threads: int,
    progress: Callable[[str], None],
) -> Report:
    """Time every way on this machine. progress: told in words what is being timed."""
    manifest = bundle.manifest
    frames = _noise(manifest)
    rows: list[Row] = []
    cnn_ms: dict[str, float] = {}
    head_ms: dict[str, float] = {}
    for precision in precisions:
        progress(f"compiling {manifest.backbone} in {precision}")
        with _opened(bundle, precision, threads) as graphs:
            streams = _Hop(graphs, frames, manifest)
            progress(f"timing OpenVINO in {precision}")
            cnn, head, recomputed = _time_alternating(
                {
                    "cnn": streams.frame,
                    "head": streams.hop,
                    # The window's CNN work alone: its attention head would only add to it.
                    "recomputed": partial(_times, streams.frame, manifest.window_samples),
                },
                rounds=rounds,
                repeats={"cnn": manifest.window_samples, "head": manifest.window_samples},
            )
        cnn_ms[precision], head_ms[precision] = cnn, head
        rows.append(Row("OpenVINO, recomputed", precision, recomputed, rounds))
        rows.append(Row("incremental", precision, cnn + head, rounds))
    torch_rows, note = _torch_rows(bundle, precisions, rounds, threads, progress)
    progress("timing DIS flow")
    return Report(
        bundle=manifest.name,
        backbone=manifest.backbone,
        window_samples=manifest.window_samples,
        threads=threads,
        rows=(*torch_rows, *rows),
        cnn_ms=cnn_ms,
        head_ms=head_ms,
        flow_ms={f"{w}x{h}": _dis_ms(w, h, rounds) for w, h in FLOW_SIZES_PX},
        note=note,
    )


@contextmanager
def random_bundle(
    backbone: str, progress: Callable[[str], None], *, int8: bool = False
) -> Iterator[Bundle]:
    """A bundle of the paper's shape with random weights: speed needs no training.

    int8: with graphs of that precision.

    Raises EngineError where torch, which makes it, is not installed.
    """
    _require_torch(f"a random {backbone} bundle")
    with tempfile.TemporaryDirectory(prefix="gesta-bench-") as folder:
        path = Path(folder) / backbone
        progress(f"exporting {backbone} with random weights")
        command = [sys.executable, "-m", "training.cli", "export", "--random"]
        shape = ["--hidden-width", "2048", "--input-size", "224", "--sample-every", "5"]
        _run([*command, "--backbone", backbone, *shape, "--out", str(path)])
        if int8:
            progress(f"quantising {backbone}")
            command = [sys.executable, "-m", "training.cli", "quantise", str(path), "--drawn"]
            path = Path(folder) / f"{backbone}-int8"
            _run([*command, "--out", str(path)])
        yield Bundle.open(str(path))


def _time_alternating(
    works: Mapping[str, Callable[[], object]], *, rounds: int, repeats: Mapping[str, int]
) -> list[float]:
    """Median milliseconds of each work, in the order given, rounds interleaved."""
    for work in works.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            count = repeats.get(name, 1)
            started_ns = time.perf_counter_ns()
            _times(work, count)
            times[name].append((time.perf_counter_ns() - started_ns) / count / 1e6)
    return [statistics.median(values) for values in times.values()]


def _times(work: Callable[[], object], count: int) -> None:
    for _ in range(count):
        work()


def _noise(manifest: Manifest) -> tuple[U8, U8]:
    draw = np.random.default_rng(0)
    rgb_side, flow_side = manifest.input_size, manifest.flow_size
    rgb = draw.integers(0, 256, (rgb_side, rgb_side, 3), np.uint8)
    stack = draw.integers(1, 256, (manifest.flow_channels, flow_side, flow_side), np.uint8)
    return rgb, stack


def _dis_ms(width: int, height: int, rounds: int) -> float:
    """DIS medium on a textured picture moved by two pixels."""
    picture = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    picture = np.kron(picture, np.ones((8, 8, 1), np.uint8))[:height, :width]
    before, after = grey(picture), grey(np.roll(picture, 2, axis=1))
    flow = open_flow("dis", {"preset": "medium"})
    work = partial(flow.estimate, before, after)
    [ms] = _time_alternating({"dis": work}, rounds=rounds, repeats={"dis": 20})
    return ms


@contextmanager
def _opened(bundle: Bundle, precision: str, threads: int) -> Iterator[Graphs]:
    graphs = open_graphs(bundle, device="cpu", precision=precision, threads=threads)
    try:
        yield graphs
    finally:
        graphs.close()


def _torch_rows(
    bundle: Bundle,
    precisions: Sequence[str],
    rounds: int,
    threads: int,
    progress: Callable[[str], None],
) -> tuple[list[Row], str]:
    if importlib.util.find_spec("torch") is None:
        return [], "torch is not installed, so its rows are missing: pip install .[training]"
    rows = []
    for precision in (each for each in precisions if each != "int8"):  # torch has no int8 here
        progress(f"timing torch in {precision}: {rounds} predictions, each a whole window")
        command = [sys.executable, "-m", "training.benchmark", str(bundle.path)]
        command += ["--precision", precision, "--rounds", str(rounds), "--threads", str(threads)]
        answer = json.loads(_run(command))
        rows.append(Row("torch, recomputed", precision, float(answer["ms"]), rounds))
    return rows, ""


def _require_torch(what: str) -> None:
    if importlib.util.find_spec("torch") is None:
        raise EngineError(f"{what} needs torch to be made: pip install .[training]")


def _run(command: list[str]) -> str:
    # The command is this interpreter and our own modules; nothing of it comes from outside.
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise EngineError(f"{' '.join(command[1:4])} failed: {last}")
    return done.stdout
