"""Opens a bundle's graphs on an NVIDIA GPU, through TensorRT."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace

from engine import parity
from engine.bundle import GRAPHS, Bundle
from engine.cache import cache_dir
from engine.errors import DeviceMissing, EngineDrift, RunnerError
from engine.graphs import Graphs
from engine.pipeline import STREAMS
from engine.runners.tensorrt_runner import TensorRtRunner
from engine.signatures import is_head, signature
from engine.tensorrt.library import TensorRT, open_tensorrt
from engine.tensorrt.resident import ResidentPipeline

log = logging.getLogger(__name__)

PRECISIONS = ("fp32", "fp16", "int8")

# One camera without waiting, and what fills larger and larger GPUs.
_BATCHES = (1, 8, 32, 128)


def open_on_gpu(bundle: Bundle, precision: str, progress: Callable[[str], None]) -> Graphs:
    """Take the plans that are kept, or build them, and pass them through the parity gate; see
    `engine.device.open_graphs`.

    Raises DeviceMissing, DeviceFailed, EngineDrift, GraphMismatch, RunnerError or BundleError.
    """
    if precision not in ("auto", *PRECISIONS):
        raise DeviceMissing(
            f"TensorRT runs in {', '.join(PRECISIONS)}, and not in {precision}; use "
            "--precision auto"
        )
    tensorrt = open_tensorrt()
    lacks = _lacks(bundle, "fp16" if precision == "auto" else precision, tensorrt)
    if precision == "auto":
        if lacks is None:
            try:
                return _opened(bundle, "fp16", tensorrt, progress)
            except EngineDrift as drift:
                log.warning("%s; running in fp32 instead", drift)
        else:
            progress(f"running in fp32, since {lacks}")
    elif lacks is not None:
        raise DeviceMissing(f"{lacks}; use --precision fp32")
    return _opened(bundle, "fp32" if precision == "auto" else precision, tensorrt, progress)


def _lacks(bundle: Bundle, precision: str, tensorrt: TensorRT) -> str | None:
    """Why the CNNs can't be had in this precision; None where they can."""
    name = bundle.manifest.name
    if bundle.manifest.tolerated(precision) is None:
        return f"bundle '{name}' states no tolerance for {precision}"
    if precision == "fp32" or bundle.holds(precision):
        return None
    if precision == "fp16" and tensorrt.derives_fp16:
        return None
    return f"bundle '{name}' has no {precision} graphs, and TensorRT {tensorrt.version} makes none"


def _opened(
    bundle: Bundle, precision: str, tensorrt: TensorRT, progress: Callable[[str], None]
) -> Graphs:
    cache = cache_dir("tensorrt")

    def runner(name: str) -> TensorRtRunner:
        # Softmax and running sums need fp32's range and precision.
        own = "fp32" if is_head(name) else precision
        typed = own == "fp32" or bundle.holds(own)
        progress(f"opening {name} for {tensorrt.device.name} in {own}")
        return TensorRtRunner(
            tensorrt,
            name=name,
            model=bundle.graph(name, own if typed else "fp32"),
            signature=signature(bundle.manifest, name),
            batches=_BATCHES,
            precision=own,
            typed=typed,
            cache_dir=cache,
            progress=progress,
        )

    # A GPU's memory is given back at once where this fails: whoever comes next may need it.
    with ExitStack() as opened:
        runners: dict[str, TensorRtRunner] = {}
        for name in GRAPHS:
            runners[name] = runner(name)
            opened.callback(runners[name].close)
        graphs = Graphs(
            rgb=runners["rgb"],
            flow=runners["flow"],
            rgb_head=runners["rgb_head"],
            flow_head=runners["flow_head"],
            device="cuda",
            precision=precision,
            engine=f"tensorrt {tensorrt.version}",
        )
        parity.pass_gate(bundle, graphs, progress)
        opened.pop_all()
    return _resident(bundle, graphs, runners, tensorrt, progress)


def _resident(
    bundle: Bundle,
    graphs: Graphs,
    runners: Mapping[str, TensorRtRunner],
    tensorrt: TensorRT,
    progress: Callable[[str], None],
) -> Graphs:
    """The same graphs with features and lanes on the GPU, where that passes the gate, too."""
    try:
        pipeline = ResidentPipeline(
            tensorrt.device,
            bundle.manifest,
            {stream: runners[stream] for stream in STREAMS},
            {stream: runners[f"{stream}_head"] for stream in STREAMS},
        )
        with ExitStack() as opened:
            opened.callback(pipeline.close)
            resident = replace(graphs, resident=pipeline)
            parity.pass_gate(
                bundle, resident, lambda text: progress(f"kept on the GPU between graphs, {text}")
            )
            opened.pop_all()
        return resident
    except RunnerError as error:
        log.warning(
            "features and lanes go through the host's memory, not staying on the GPU: %s", error
        )
        return graphs
