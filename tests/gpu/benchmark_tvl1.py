"""TV-L1 on this machine's GPU: time for a pair, beside the floor and one CPU core.

    python -m tests.gpu.benchmark_tvl1 [--size WIDTH HEIGHT]

Each number is the median of rounds in which all variants take turns. What the machine lacks is
said, and left out; the counts of work need no GPU.
"""

from __future__ import annotations

import argparse
import statistics
import time
from functools import partial

import cv2
import numpy as np

from engine.cuda.gpu import open_gpu
from engine.errors import DeviceMissing
from engine.flow.tvl1_cuda import TvL1Batch
from engine.flow.tvl1_plan import FUSED_ITERATIONS, REGION_BLOCK, TvL1Plan
from engine.flow.tvl1_settings import TvL1Settings
from tests.engine.flow.pictures import PORTABLE, moving
from tests.gpu.floor import work

BATCHES = (1, 8, 64)
REGIONS = ((REGION_BLOCK, FUSED_ITERATIONS), ((16, 32), FUSED_ITERATIONS), (REGION_BLOCK, 8))
ROUNDS = 7
ROUND_S = 0.05
SETTINGS = TvL1Settings.of(PORTABLE)


def main() -> None:
    """Print the counts, then what can be measured here."""
    parser = argparse.ArgumentParser(description="Time TV-L1 on this machine's GPU.")
    parser.add_argument("--size", type=int, nargs=2, default=(340, 256), metavar=("W", "H"))
    width, height = parser.parse_args().size
    print(f"TV-L1 at {width}x{height}, {SETTINGS.inner_iterations} iterations a warp; one pair:")
    for storage in ("fp32", "fp16"):
        each = work(TvL1Plan(SETTINGS, height, width, 1, storage))
        useful = f"{each.useful_flop / 1e9:.2f} GFLOP, {each.useful_bytes / 1e6:.0f} MB"
        done = f"{each.done_flop / 1e9:.2f} GFLOP, {each.done_bytes / 1e6:.0f} MB"
        print(f"  p in {storage}: {useful} (with margins {done})")
    cpu_ms = _opencv_ms(height, width)
    try:
        gpu = open_gpu()
    except DeviceMissing as missing:
        print(f"the GPU: not measured: {missing}")
        return
    with gpu.current():
        _measure(gpu, height, width, cpu_ms)


def _measure(gpu, height, width, cpu_ms) -> None:
    import pycuda.driver as driver

    flop_per_s, bytes_per_s = _peaks(driver)
    version = driver.get_driver_version()
    print(f"{gpu.name}, {gpu.arch}, CUDA {version // 1000}.{version % 1000 // 10} by the driver")
    print(
        f"peaks by its attributes: {flop_per_s / 1e12:.1f} TFLOP/s in fp32, "
        f"{bytes_per_s / 1e12:.2f} TB/s"
    )
    runs = {}
    for pairs in BATCHES:
        for storage in ("fp32", "fp16"):
            for block, fused in REGIONS:
                plan = TvL1Plan(SETTINGS, height, width, pairs, storage, block, fused)
                runs[plan] = _prepared(gpu, plan)
    times = {plan: [] for plan in runs}
    for _ in range(ROUNDS):
        for plan, (replay, stream) in runs.items():
            times[plan].append(_ms(driver, replay, stream))
    print(
        "pairs  p     region  fused  us a pair  of the arithmetic floor  of the memory floor"
        + ("  times one core of OpenCV" if cpu_ms else "")
    )
    for plan, measured in times.items():
        us = 1e3 * statistics.median(measured) / plan.pairs
        arithmetic, memory = work(plan).floor_us(flop_per_s, bytes_per_s)
        across, down = 4 * plan.region_block[0], 2 * plan.region_block[1]
        print(
            f"{plan.pairs:5}  {plan.storage}  {across}x{down}  {plan.fused_iterations:5}  {us:9.1f}"
            f"  {arithmetic / us:23.0%}  {memory / us:19.0%}"
            + (f"  {1e3 * cpu_ms / us:24.0f}" if cpu_ms else "")
        )


def _prepared(gpu, plan):
    """A function that puts a whole batch on a stream (in a CUDA graph where that can be had)."""
    batch, stream = TvL1Batch(plan, gpu), gpu.stream()
    previous, current = moving(plan.height, plan.width)
    for name, picture in (("previous", previous), ("current", current)):
        gpu.upload(batch.memory[name], np.stack([picture] * plan.pairs), stream)
    batch.enqueue(stream)
    gpu.wait(stream)
    try:
        replay = gpu.capture(batch.enqueue, stream)
    except DeviceMissing as missing:
        print(f"launch by launch, not as a CUDA graph: {missing}")
        replay = batch.enqueue
    return partial(replay, stream), stream


def _ms(driver, replay, stream):
    """Time of one batch, from as many as fill a round."""
    begin, end = driver.Event(), driver.Event()
    done, count = 0.0, 1
    while True:
        begin.record(stream)
        for _ in range(count):
            replay()
        end.record(stream)
        end.synchronize()
        done = begin.time_till(end)
        if done > 1e3 * ROUND_S:
            return done / count
        count *= 2


def _peaks(driver):
    """(fp32 operations a second, bytes a second). A multiply-add counts as two."""
    device = driver.Context.get_device()
    ask = driver.device_attribute
    lanes = 64 if device.compute_capability() in ((7, 5), (8, 0)) else 128
    processors = device.get_attribute(ask.MULTIPROCESSOR_COUNT)
    clock_hz = 1e3 * device.get_attribute(ask.CLOCK_RATE)
    memory_hz = 1e3 * device.get_attribute(ask.MEMORY_CLOCK_RATE)
    bus_bytes = device.get_attribute(ask.GLOBAL_MEMORY_BUS_WIDTH) / 8
    return 2 * processors * lanes * clock_hz, 2 * memory_hz * bus_bytes


def _opencv_ms(height, width):
    """OpenCV's time for the same flow on one core, or None where it comes without."""
    if not hasattr(cv2, "optflow"):
        print("one CPU core: not measured: OpenCV comes without optflow here")
        return None
    from engine.flow.tvl1 import TvL1Flow

    flow, pair = TvL1Flow(PORTABLE), moving(height, width)
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        flow.estimate(*pair)
        times.append(1e3 * (time.perf_counter() - begun))
    print(
        f"one CPU core, OpenCV {cv2.__version__}, the same parameters: {min(times):.0f} ms a pair"
    )
    return min(times)


if __name__ == "__main__":
    main()
