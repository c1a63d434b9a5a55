"""Opens a bundle's graphs on the CPU, through OpenVINO."""

from __future__ import annotations

import logging
from collections.abc import Callable

from engine import parity
from engine.bundle import Bundle
from engine.cache import cache_dir
from engine.errors import DeviceMissing, EngineDrift
from engine.graphs import Graphs
from engine.machine import describe_machine
from engine.signatures import is_head, signature

log = logging.getLogger(__name__)

PRECISIONS = ("fp32", "bf16", "int8")

# Measured on two cores as four rows apart against a batch of four: CNNs gain nothing (0.9 to
# 1.1 times), so that theirs stays one row, and a camera's features are the same bits in whatever
# company it comes. The head, which mostly waits for its weights, is 2 to 3 times cheaper.
_CNN_BATCHES = (1,)
_HEAD_BATCHES = (1, 4)


def open_on_cpu(
    bundle: Bundle, precision: str, threads: int, progress: Callable[[str], None]
) -> Graphs:
    """Compile the graphs and pass them through the parity gate; see `engine.device.open_graphs`.

    Raises DeviceMissing, EngineDrift, GraphMismatch, RunnerError or BundleError.
    """
    offered = bundle.offers("bf16")
    capable = describe_machine().computes_bf16
    if precision not in ("auto", *PRECISIONS):
        raise DeviceMissing(
            f"a CPU computes in {', '.join(PRECISIONS)}, and not in {precision}; use "
            "--precision auto"
        )
    if precision == "bf16" and not capable:
        raise DeviceMissing("this CPU doesn't compute in bf16; use --precision fp32")
    if precision == "bf16" and not offered:
        raise DeviceMissing(
            f"bundle '{bundle.manifest.name}' states no tolerance for bf16; use --precision fp32"
        )
    if precision == "int8" and not bundle.offers("int8"):
        raise DeviceMissing(
            f"bundle '{bundle.manifest.name}' has no int8 graphs; use --precision fp32, or add "
            "them with gesta-train quantise"
        )
    if precision == "auto" and capable and offered:
        try:
            return _opened(bundle, "bf16", threads, progress)
        except EngineDrift as drift:
            log.warning("%s; running in fp32 instead", drift)
    return _opened(bundle, "fp32" if precision == "auto" else precision, threads, progress)


def _opened(
    bundle: Bundle, precision: str, threads: int, progress: Callable[[str], None]
) -> Graphs:
    # Here and not above, since it takes most of a second: --help and `gesta watch` go without.
    from engine.runners.openvino_runner import OpenVinoRunner

    cache = cache_dir("openvino")

    def runner(name: str, precision: str) -> OpenVinoRunner:
        progress(f"compiling {name} for the CPU in {precision}")
        return OpenVinoRunner(
            name=name,
            model=bundle.graph(name, precision),
            signature=signature(bundle.manifest, name),
            batches=_HEAD_BATCHES if is_head(name) else _CNN_BATCHES,
            precision=precision,
            threads=threads,
            cache_dir=cache,
        )

    graphs = Graphs(
        rgb=runner("rgb", precision),
        flow=runner("flow", precision),
        # Softmax and running sums need fp32's range and precision.
        rgb_head=runner("rgb_head", "fp32"),
        flow_head=runner("flow_head", "fp32"),
        device="cpu",
        precision=precision,
        engine=f"openvino {describe_machine().openvino}",
    )
    parity.pass_gate(bundle, graphs, progress)
    return graphs
