"""A prediction of the bundle `default` on this machine's GPU: through the host, and resident.

    python -m tests.gpu.benchmark_hop

From samples in the host's memory to probabilities, by the recogniser that the daemon runs, without
flow's estimate. Both ways take turns, so that a GPU that slows down slows both. What the machine
lacks is said, and left out.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

import numpy as np

from engine.bundle import Bundle
from engine.device import open_graphs
from engine.errors import EngineError
from engine.recogniser import Recogniser, Sample

CAMERAS = (1, 16, 64, 128)
ROUNDS, ROUND_S = 5, 0.3


def main() -> None:
    """Print one table."""
    bundle = Bundle.open("default")
    try:
        graphs = open_graphs(bundle, "cuda", progress=print)
    except EngineError as error:
        print(f"the hop: not measured: {error}")
        return
    ways = {"host": Recogniser(bundle, replace(graphs, resident=None))}
    if graphs.resident is None:
        print("resident: not measured, for the reason above")
    else:
        print(f"one launch a batch: {graphs.resident.captured}")
        ways["resident"] = Recogniser(bundle, graphs)
    print(f"{graphs.engine}, {graphs.precision}")
    print("cameras  way        p50 ms  p99 ms  predictions/s  rgb  flow  head  (share of a step)")
    for cameras in CAMERAS:
        batch = _batch(bundle.manifest, cameras)
        steps = {way: [] for way in ways}
        for recogniser in ways.values():
            recogniser.step(batch)
        for _ in range(ROUNDS):
            for way, recogniser in ways.items():
                steps[way] += _timed(recogniser, batch)
        for way, found in steps.items():
            took_ms = sorted(ms for ms, _ in found)
            p50, p99 = statistics.median(took_ms), took_ms[int(0.99 * len(took_ms))]
            shares = "  ".join(
                f"{statistics.median(stages[stage] / ms for ms, stages in found):4.0%}"
                for stage in ("rgb", "flow", "head")
            )
            rate = 1e3 * cameras / p50
            print(f"{cameras:7}  {way:9}  {p50:6.2f}  {p99:6.2f}  {rate:13.0f}  {shares}")
        for recogniser in ways.values():
            for sample in batch:
                recogniser.forget(sample.camera)
    graphs.close()


def _timed(recogniser, batch):
    """(milliseconds, stages' milliseconds) of each step of a round."""
    steps, begun = [], time.perf_counter()
    while time.perf_counter() - begun < ROUND_S:
        start_ns = time.perf_counter_ns()
        recognitions = recogniser.step(batch)
        steps.append(((time.perf_counter_ns() - start_ns) / 1e6, recognitions[0].stage_ms))
    return steps


def _batch(manifest, cameras):
    draw, size, flow_size = np.random.default_rng(0), manifest.input_size, manifest.flow_size
    stack = (manifest.flow_channels, flow_size, flow_size)
    return [
        Sample(
            f"cam{n}",
            0,
            0,
            draw.integers(0, 256, (size, size, 3), np.uint8),
            draw.integers(1, 256, stack, np.uint8),
        )
        for n in range(cameras)
    ]


if __name__ == "__main__":
    main()
