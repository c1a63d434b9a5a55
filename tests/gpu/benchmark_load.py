"""Cameras in real time on this machine's GPU: whether latency and memory stay what they were.

    python -m tests.gpu.benchmark_load --cameras 160 [--bundle NAME|PATH] [--seconds 60]

Each camera has a frame of 640x480 every 1/25 s (whatever the bundle's grid says), and a prediction
as often as the bundle makes one. Cameras are spread over the time between two frames in eighths,
each of which is one batch. Frames are written by some threads, as in `benchmark_hop`. A latency is
from when a frame was due to its prediction in the host's memory. A line every ten seconds.
"""

from __future__ import annotations

import argparse
import time

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
    start = line = time.perf_counter()
    latencies_ms, busy_s, turns = [], 0.0, 0
    while (now := time.perf_counter()) < start + given.seconds:
        due = start + turns * turn_s
        if now < due:
            time.sleep(due - now)
        began = time.perf_counter()
        part = parts[turns % PHASES]
        part.look()
        if part.tick % manifest.sample_every == 0:
            found = part.recognise()
            latencies_ms += [1e3 * (time.perf_counter() - due)] * len(found)
        busy_s += time.perf_counter() - began
        turns += 1
        if time.perf_counter() >= line + LINE_S:
            took_s = time.perf_counter() - line
            p50, p99, worst = np.percentile(latencies_ms, (50, 99, 100))
            with open_gpu().current():
                free_mb = open_gpu().free_bytes() / 1e6
            used_mb = psutil.Process().memory_info().rss / 1e6
            print(
                f"{time.perf_counter() - start:7.0f}  {len(latencies_ms) / took_s:13.0f}  "
                f"{p50:6.1f}  {p99:6.1f}  {worst:8.1f}  {busy_s / took_s:4.0%}  {free_mb:11.0f}  "
                f"{used_mb:10.0f}",
                flush=True,
            )
            latencies_ms, busy_s, line = [], 0.0, time.perf_counter()
    graphs.close()


if __name__ == "__main__":
    main()
