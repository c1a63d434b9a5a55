"""A prediction of a bundle on this machine's GPU: through the host, resident, and from frames.

    python -m tests.gpu.benchmark_hop [--bundle NAME|PATH] [--precision P] [--cameras N ...]

`host` and `resident`: from samples in the host's memory to probabilities, by the recogniser that
the daemon runs, without flow's estimate. `frames`: from frames of 640x480, as many a camera as lie
between two predictions, to the same, with resizing and TV-L1 on the GPU; some threads write them
into the slots here, where the daemon has one for each camera. The ways take turns, so that a GPU
that slows down slows them all. What the machine lacks is said, and left out.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from engine.bundle import Bundle
from engine.device import open_graphs
from engine.errors import EngineError
from engine.eyes import open_eyes
from engine.recogniser import Recogniser, Sample
from tests.engine.flow.eyes_device import image

SIZE = (640, 480)
ROUNDS, ROUND_S, FEWEST_STEPS = 5, 0.3, 3


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description="Time a prediction on this machine's GPU.")
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--cameras", type=int, nargs="+", default=[1, 16, 64, 128])
    given = parser.parse_args()
    bundle = Bundle.open(given.bundle)
    try:
        graphs = open_graphs(bundle, "cuda", given.precision, progress=print)
    except EngineError as error:
        print(f"the hop: not measured: {error}")
        return
    ways = {"host": Samples(Recogniser(bundle, replace(graphs, resident=None)))}
    if graphs.resident is None:
        print("resident: not measured, for the reason above")
    else:
        print(f"one launch a batch: {graphs.resident.captured}")
        ways["resident"] = Samples(Recogniser(bundle, graphs))
    if (eyes := eyes_of(bundle, graphs)) is not None:
        print(f"one launch a batch of frames: {eyes.captured}")
        ways["frames"] = Frames(Recogniser(bundle, graphs, eyes), eyes, bundle.manifest)
    manifest = bundle.manifest
    print(
        f"{manifest.backbone}, {graphs.engine}, {graphs.precision}; a camera has "
        f"{manifest.grid_fps:.0f} frames and {manifest.prediction_hz:.0f} predictions a second"
    )
    print(
        "cameras  way        p50 ms  p99 ms  predictions/s  cameras held  "
        "rgb  flow  head  (share of a step)"
    )
    for cameras in given.cameras:
        batch = batch_of(manifest, cameras)
        steps = {way: [] for way in ways}
        for way in ways.values():
            way.begin(batch)
            way.step()
        for _ in range(ROUNDS):
            for name, way in ways.items():
                steps[name] += _timed(way)
        for way, found in steps.items():
            took_ms = sorted(ms for ms, _ in found)
            p50, p99 = statistics.median(took_ms), took_ms[int(0.99 * len(took_ms))]
            shares = "  ".join(
                f"{statistics.median(stages[stage] / ms for ms, stages in found):4.0%}"
                for stage in ("rgb", "flow", "head")
            )
            rate = 1e3 * cameras / p50
            held = rate / manifest.prediction_hz
            print(
                f"{cameras:7}  {way:9}  {p50:6.2f}  {p99:6.2f}  {rate:13.0f}  {held:12.0f}  "
                f"{shares}"
            )
        for way in ways.values():
            way.end()
    graphs.close()


def eyes_of(bundle, graphs):
    """Eyes on the GPU, or None, having said why."""
    if "tvl1" not in bundle.manifest.flows:
        print(f"frames: not measured: bundle '{bundle.manifest.name}' lists no flow tvl1")
        return None
    entry = bundle.manifest.flow_entry("tvl1")
    eyes = open_eyes(
        graphs, bundle.manifest, "tvl1", "cuda", entry, hidden=127, lag=1, progress=print
    )
    if eyes is None:
        print("frames: not measured, for the reason above")
    return eyes


class Samples:
    """The same samples again and again, by a recogniser."""

    def __init__(self, recogniser):
        self.recogniser = recogniser

    def begin(self, batch):
        self.batch = batch

    def step(self):
        return self.recogniser.step(self.batch)

    def end(self):
        for sample in self.batch:
            self.recogniser.forget(sample.camera)


class Frames(Samples):
    """Frames, by a recogniser with eyes: two that take turns, so that there is flow."""

    def __init__(self, recogniser, eyes, manifest):
        super().__init__(recogniser)
        self.eyes, self.tick, self.every = eyes, 0, manifest.sample_every
        self.images = [image(tick, SIZE) for tick in range(2)]
        self.threads = ThreadPoolExecutor(min(8, os.cpu_count() or 1))

    def begin(self, batch):
        super().begin(batch)
        self.sights = [self.eyes.open(SIZE, None, lambda: None) for _ in batch]
        self.tick = 0

    def step(self):
        for _ in range(self.every):
            self.look()
        return self.recognise()

    def look(self):
        """A frame of every camera."""
        list(self.threads.map(self.write, self.sights))
        self.tick += 1
        self.eyes.take_in()

    def recognise(self):
        batch = []
        for sample, sight in zip(self.batch, self.sights, strict=True):
            view = sight.view(self.tick - 1, with_flow=True)
            batch.append(replace(sample, tick=self.tick - 1, rgb=view.rgb, flow=view.flow))
        return self.recogniser.step(batch)

    def write(self, sight):
        sight.add(self.tick, self.images[self.tick % 2], with_flow=True)

    def end(self):
        super().end()
        for sight in self.sights:
            sight.close()
        self.eyes.take_in()


def _timed(way):
    """(milliseconds, stages' milliseconds) of each step of a round."""
    steps, begun = [], time.perf_counter()
    while len(steps) < FEWEST_STEPS or time.perf_counter() - begun < ROUND_S:
        start_ns = time.perf_counter_ns()
        recognitions = way.step()
        steps.append(((time.perf_counter_ns() - start_ns) / 1e6, recognitions[0].stage_ms))
    return steps


def batch_of(manifest, cameras):
    """A sample each of so many cameras."""
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
