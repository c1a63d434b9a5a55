"""A prediction of the bundle `default` on this machine's GPU: through the host, resident, and from
frames.

    python -m tests.gpu.benchmark_hop

`host` and `resident`: from samples in the host's memory to probabilities, by the recogniser that
the daemon runs, without flow's estimate. `frames`: from a frame of 640x480 a camera to the same,
with resizing and TV-L1 on the GPU; one thread writes all frames into the slots here, where the
daemon has one for each camera. The ways take turns, so that a GPU that slows down slows them all.
What the machine lacks is said, and left out.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

import numpy as np

from engine.bundle import Bundle
from engine.device import open_graphs
from engine.errors import EngineError
from engine.eyes import open_eyes
from engine.recogniser import Recogniser, Sample
from tests.engine.flow.eyes_device import image

CAMERAS, SIZE = (1, 16, 64, 128), (640, 480)
ROUNDS, ROUND_S = 5, 0.3


def main() -> None:
    """Print one table."""
    bundle = Bundle.open("default")
    try:
        graphs = open_graphs(bundle, "cuda", progress=print)
    except EngineError as error:
        print(f"the hop: not measured: {error}")
        return
    ways = {"host": Samples(Recogniser(bundle, replace(graphs, resident=None)))}
    if graphs.resident is None:
        print("resident: not measured, for the reason above")
    else:
        print(f"one launch a batch: {graphs.resident.captured}")
        ways["resident"] = Samples(Recogniser(bundle, graphs))
    entry = bundle.manifest.flow_entry("tvl1")
    eyes = open_eyes(
        graphs, bundle.manifest, "tvl1", "cuda", entry, hidden=127, lag=1, progress=print
    )
    if eyes is None:
        print("frames: not measured, for the reason above")
    else:
        print(f"one launch a batch of frames: {eyes.captured}")
        ways["frames"] = Frames(Recogniser(bundle, graphs, eyes), eyes)
    print(f"{graphs.engine}, {graphs.precision}")
    print("cameras  way        p50 ms  p99 ms  predictions/s  rgb  flow  head  (share of a step)")
    for cameras in CAMERAS:
        batch = _batch(bundle.manifest, cameras)
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
            print(f"{cameras:7}  {way:9}  {p50:6.2f}  {p99:6.2f}  {rate:13.0f}  {shares}")
        for way in ways.values():
            way.end()
    graphs.close()


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

    def __init__(self, recogniser, eyes):
        super().__init__(recogniser)
        self.eyes, self.tick = eyes, 0
        self.images = [image(tick, SIZE) for tick in range(2)]

    def begin(self, batch):
        super().begin(batch)
        self.sights = [self.eyes.open(SIZE, None, lambda: None) for _ in batch]
        self.tick = 0

    def step(self):
        batch = []
        for sample, sight in zip(self.batch, self.sights, strict=True):
            sight.add(self.tick, self.images[self.tick % 2], with_flow=True)
            view = sight.view(self.tick, with_flow=True)
            batch.append(replace(sample, tick=self.tick, rgb=view.rgb, flow=view.flow))
        self.tick += 1
        return self.recogniser.step(batch)

    def end(self):
        super().end()
        for sight in self.sights:
            sight.close()
        self.eyes.take_in()


def _timed(way):
    """(milliseconds, stages' milliseconds) of each step of a round."""
    steps, begun = [], time.perf_counter()
    while time.perf_counter() - begun < ROUND_S:
        start_ns = time.perf_counter_ns()
        recognitions = way.step()
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
