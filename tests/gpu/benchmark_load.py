"""Cameras in real time on this machine's GPU: whether latency and memory stay what they were.

    python -m tests.gpu.benchmark_load --cameras 160 [--bundle NAME|PATH] [--seconds 60]

Each camera has frames of 640x480 as often as the bundle's grid has ticks, and a prediction as often
as the bundle makes one. Cameras are spread over the time between two frames in eighths, each of
which is one batch; where the bundle doesn't predict at every frame, all do at the same one. Frames
are written by some threads, as in `benchmark_hop`. A latency is from when a frame was due to its
prediction in the host's memory. A line every ten seconds, and one for what is left.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field

import numpy as np
import psutil

from engine.bundle import Bundle
from engine.cuda.gpu import open_gpu
from engine.device import open_graphs
from engine.errors import EngineError
from engine.recogniser import Recogniser
from tests.gpu.benchmark_hop import Frames, batch_of, eyes_of

PHASES, LINE_S = 8, 10.0


def main() -> None:
    """Print a line every ten seconds."""
    parser = argparse.ArgumentParser(description="Feed cameras in real time to this GPU.")
    parser.add_argument("--cameras", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--precision", default="auto")
    given = parser.parse_args()
    bundle = Bundle.open(given.bundle)
    try:
        graphs = open_graphs(bundle, "cuda", given.precision, progress=print)
    except EngineError as error:
        print(f"load: not measured: {error}")
        return
    if graphs.resident is None or (eyes := eyes_of(bundle, graphs)) is None:
        print("load: not measured, for the reason above")
        graphs.close()
        return
    manifest, recogniser = bundle.manifest, Recogniser(bundle, graphs, eyes)
    batch, parts = batch_of(manifest, given.cameras), []
    for phase in range(PHASES):
        part = Frames(recogniser, eyes, manifest)
        part.begin(batch[phase::PHASES])
        parts.append(part)
    print(
        f"{given.cameras} cameras, {manifest.grid_fps:.0f} frames and {manifest.prediction_hz:.0f} "
        f"predictions a second each, {graphs.precision}"
    )
    print("seconds  predictions/s  p50 ms  p99 ms  worst ms  busy  GPU free MB  process MB")
    turn_s = 1 / manifest.grid_fps / PHASES
    start, turns, span = time.perf_counter(), 0, Span()
    while (due := start + turns * turn_s) < start + given.seconds:
        time.sleep(max(0.0, due - time.perf_counter()))
        began = time.perf_counter()
        part = parts[turns % PHASES]
        part.look()
        if part.tick % manifest.sample_every == 0:
            found = part.recognise()
            span.latencies_ms += [1e3 * (time.perf_counter() - due)] * len(found)
        span.busy_s += time.perf_counter() - began
        turns += 1
        if turns * turn_s >= span.number * LINE_S or (turns + 1) * turn_s > given.seconds:
            span = span.said(time.perf_counter() - start)
    graphs.close()


@dataclass
class Span:
    """What happened since the last line. number: of the line that it will be, from 1."""

    number: int = 1
    begun: float = field(default_factory=time.perf_counter)
    latencies_ms: list[float] = field(default_factory=list)
    busy_s: float = 0.0

    def said(self, seconds: float) -> Span:
        """Print it, and begin the next one. seconds: since the start."""
        took_s = time.perf_counter() - self.begun
        p50, p99, worst = np.percentile(self.latencies_ms or [np.nan], (50, 99, 100))
        with open_gpu().current():
            free_mb = open_gpu().free_bytes() / 1e6
        used_mb = psutil.Process().memory_info().rss / 1e6
        print(
            f"{seconds:7.0f}  {len(self.latencies_ms) / took_s:13.0f}  {p50:6.1f}  {p99:6.1f}  "
            f"{worst:8.1f}  {self.busy_s / took_s:4.0%}  {free_mb:11.0f}  {used_mb:10.0f}",
            flush=True,
        )
        return Span(self.number + 1)


if __name__ == "__main__":
    main()
