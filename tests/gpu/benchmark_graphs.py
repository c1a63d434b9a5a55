"""Images per second of a bundle's two CNNs on this machine's GPU, by batch and precision, by
TensorRT and by torch: whichever of them this interpreter has.

    python -m tests.gpu.benchmark_graphs [--bundle NAME|PATH] [--precision P ...] [--compiled]

From images in the GPU's memory to features in it; TensorRT's batches replayed as CUDA graphs, where
the driver has them. torch runs the model that the graphs were exported from, as it is: fp32 without
TF32, and fp16. --compiled: also by torch.compile, which takes it minutes, so the smallest and the
largest batch alone. Batches take turns. What the machine lacks is said, and left out.
"""

from __future__ import annotations

import argparse
import statistics
from functools import partial

import numpy as np

from engine.bundle import Bundle
from engine.cuda.gpu import open_gpu
from engine.device import open_graphs
from engine.errors import DeviceFailed, DeviceMissing, EngineError
from engine.pipeline import STREAMS

BATCHES = (1, 8, 32, 128)
ROUNDS, ROUND_MS = 5, 60.0


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description="Time a bundle's CNNs on this machine's GPU.")
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--precision", nargs="+", default=["fp32", "fp16"])
    parser.add_argument("--stream", nargs="+", choices=STREAMS, default=STREAMS)
    parser.add_argument("--compiled", action="store_true")
    given = parser.parse_args()
    bundle = Bundle.open(given.bundle)
    print(f"{bundle.manifest.backbone} at {bundle.manifest.input_size} px, images a second:")
    print(f"{'by':22}  precision  stream" + "".join(f"  batch {n:4}" for n in BATCHES))
    for precision in given.precision:
        by_tensorrt(bundle, precision, given.stream)
    by_torch(given.bundle, bundle, given.stream, compiled=given.compiled)


def by_tensorrt(bundle, precision, streams) -> None:
    try:
        graphs = open_graphs(bundle, "cuda", precision, progress=lambda text: None)
    except EngineError as error:
        print(f"TensorRT  {precision}: not measured: {error}")
        return
    gpu = open_gpu()
    with gpu.current():
        for stream in streams:
            clock = Clock(gpu.event(), gpu.event(), gpu.stream())
            runs = {
                size: replay(gpu, profile, clock.stream)
                for size, profile in getattr(graphs, stream).profiles.items()
            }
            say(graphs.engine, precision, stream, rates(runs, clock))
    graphs.close()


def replay(gpu, profile, stream):
    """A function that puts a batch of a graph on the stream, as one launch where that can be."""
    images = np.random.default_rng(0).integers(0, 256, profile.shape("frames"), np.uint8)
    gpu.upload(profile.memory["frames"], images, stream)
    profile.enqueue(stream)
    gpu.wait(stream)
    try:
        return partial(gpu.capture(profile.enqueue, stream), stream)
    except (DeviceFailed, DeviceMissing) as refusal:
        print(f"a batch of {profile.batch} kernel by kernel, not as a CUDA graph: {refusal}")
        return partial(profile.enqueue, stream)


def by_torch(path, bundle, streams, *, compiled) -> None:
    try:
        import torch
    except ImportError as error:
        print(f"torch: not measured: {error}")
        return
    if not torch.cuda.is_available():
        print("torch: not measured: it sees no GPU")
        return
    from training.export import load_bundle

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    model, manifest = load_bundle(path).eval().cuda(), bundle.manifest
    side, small = manifest.input_size, manifest.flow_size
    shapes = {"rgb": (side, side, 3), "flow": (manifest.flow_channels, small, small)}
    clock = Clock(*(torch.cuda.Event(enable_timing=True) for _ in range(2)))
    ways = [("eager", "fp32"), ("eager", "fp16"), *([("compiled", "fp16")] if compiled else [])]
    for name, precision in ways:
        dtype = {"fp32": torch.float32, "fp16": torch.float16}[precision]
        for stream in streams:
            network = getattr(model, stream).to(dtype)
            call, sizes = network.to(memory_format=torch.channels_last), BATCHES
            if name == "compiled":
                call = torch.compile(call, mode="reduce-overhead", dynamic=False)
                sizes = (BATCHES[0], BATCHES[-1])
            with torch.inference_mode():
                runs = {}
                for size in sizes:
                    shape = (size, *shapes[stream])
                    images = torch.randint(0, 256, shape, dtype=torch.uint8, device="cuda")
                    runs[size] = partial(call, images)
                    for _ in range(3):
                        runs[size]()
                say(f"{name} torch {torch.__version__}", precision, stream, rates(runs, clock))


class Clock:
    """The GPU's own, by two events of pycuda or torch."""

    def __init__(self, begin, end, stream=None):
        self.begin, self.end, self.stream = begin, end, stream

    def ms(self, run, count):
        """What so many runs take."""
        on = () if self.stream is None else (self.stream,)
        self.begin.record(*on)
        for _ in range(count):
            run()
        self.end.record(*on)
        self.end.synchronize()
        between = getattr(self.end, "time_since", None)
        return between(self.begin) if between else self.begin.elapsed_time(self.end)


def rates(runs, clock) -> dict[int, float]:
    """Images a second, by batch: medians of rounds."""
    counts = {n: max(1, int(ROUND_MS / max(clock.ms(run, 1), 1e-3))) for n, run in runs.items()}
    found = {n: [] for n in runs}
    for _ in range(ROUNDS):
        for n, run in runs.items():
            found[n].append(1e3 * n * counts[n] / clock.ms(run, counts[n]))
    return {n: statistics.median(each) for n, each in found.items()}


def say(by, precision, stream, found) -> None:
    cells = (f"{found[n]:,.0f}" if n in found else "-" for n in BATCHES)
    row = "".join(f"  {cell:>10}" for cell in cells)
    print(f"{by:22}  {precision:9}  {stream:6}{row}", flush=True)


if __name__ == "__main__":
    main()
