"""What a prediction costs in torch when its whole window is recomputed.

    python -m training.benchmark BUNDLE --precision fp32 --rounds 3 --threads 2

prints one line of JSON: {"ms": median}. This is the baseline of `gesta-engine bench`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time

import torch

from engine.bundle import Bundle
from training.export import load_bundle


def window_ms(path: str, *, precision: str, rounds: int, threads: int) -> float:
    """Median milliseconds for the frames and stacks of one window through both streams."""
    torch.set_num_threads(threads)
    manifest = Bundle.open(path).manifest
    model = load_bundle(path).eval()
    samples, side = manifest.window_samples, manifest.input_size
    generator = torch.Generator().manual_seed(0)
    shape = (1, samples, side, side, 3)
    frames = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    shape = (1, samples, manifest.flow_channels, manifest.flow_size, manifest.flow_size)
    stacks = torch.randint(1, 256, shape, dtype=torch.uint8, generator=generator)
    times_ms = []
    with (
        torch.inference_mode(),
        torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"),
    ):
        for _ in range(rounds + 1):
            started_ns = time.perf_counter_ns()
            model.probabilities_of_window(frames, stacks)
            times_ms.append((time.perf_counter_ns() - started_ns) / 1e6)
    return statistics.median(times_ms[1:])  # the first round warms up


def main() -> int:
    parser = argparse.ArgumentParser(description="Time one recomputed prediction in torch.")
    parser.add_argument("bundle")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    ms = window_ms(
        given.bundle, precision=given.precision, rounds=given.rounds, threads=given.threads
    )
    sys.stdout.write(json.dumps({"ms": ms}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
