"""Opens a bundle's graphs on what this machine has."""

from __future__ import annotations

import logging
from collections.abc import Callable

from engine import parity
from engine.bundle import Bundle
from engine.cache import cache_dir
from engine.errors import DeviceMissing, EngineDrift
from engine.machine import describe_machine
from engine.manifest import Manifest
from engine.runners.runner import ArraySpec, Graphs, Signature

__all__ = ["DEVICES", "PRECISIONS", "describe_machine", "open_graphs"]

log = logging.getLogger(__name__)

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "fp32", "bf16")

# Measured on two cores as four rows apart against a batch of four: CNNs gain nothing (0.9 to
# 1.1 times), so that theirs stays one row, and a camera's features are the same bits in whatever
# company it comes. The head, which mostly waits for its weights, is 2 to 3 times cheaper.
_CNN_BATCHES = (1,)
_HEAD_BATCHES = (1, 4)


def open_graphs(
    bundle: Bundle,
    device: str = "auto",
    precision: str = "auto",
    *,
    threads: int = 0,
    progress: Callable[[str], None] = log.info,
) -> Graphs:
    """Compile the bundle's graphs and pass them through the parity gate.

    Args:
        device: auto or cpu; both are OpenVINO on the CPU.
        precision: of the CNNs. auto is bf16 where the CPU computes in it and the bundle's
            tolerance for it holds, else fp32.
        threads: cores for one inference; 0 for all.
        progress: told in words what happens, with the gate's numbers.

    Raises DeviceMissing, EngineDrift, GraphMismatch, RunnerError or BundleError.
    """
    if device not in DEVICES or precision not in PRECISIONS:
        raise DeviceMissing(
            f"there is no device '{device}' with precision '{precision}'; use "
            f"{' or '.join(DEVICES)}, and {' or '.join(PRECISIONS)}"
        )
    if device == "cuda":
        raise DeviceMissing(
            "this version has no CUDA runner: it runs on the CPU through OpenVINO; use --device cpu"
        )
    offered = "bf16" in bundle.manifest.tolerance
    capable = describe_machine().computes_bf16
    if precision == "bf16" and not capable:
        raise DeviceMissing("this CPU doesn't compute in bf16; use --precision fp32")
    if precision == "bf16" and not offered:
        raise DeviceMissing(
            f"bundle '{bundle.manifest.name}' states no tolerance for bf16; use --precision fp32"
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

    manifest, cache = bundle.manifest, cache_dir("openvino")

    def runner(name: str, precision: str) -> OpenVinoRunner:
        progress(f"compiling {name} for the CPU in {precision}")
        head = name.endswith("_head")
        return OpenVinoRunner(
            name=name,
            model=bundle.graph(name, precision),
            signature=_head_signature(manifest) if head else _cnn_signature(manifest, name),
            batches=_HEAD_BATCHES if head else _CNN_BATCHES,
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
    measured = parity.measure(bundle, graphs)
    progress(str(measured))
    parity.require(bundle, measured)
    return graphs


def _cnn_signature(manifest: Manifest, stream: str) -> Signature:
    if stream == "rgb":
        shape = (manifest.input_size, manifest.input_size, 3)
    else:
        shape = (manifest.flow_channels, manifest.flow_size, manifest.flow_size)
    return Signature(
        inputs={"frames": ArraySpec("uint8", (None, *shape))},
        outputs={
            "features": ArraySpec("float32", (None, manifest.feature_width)),
            "attention": ArraySpec("float32", (None, None, None)),
        },
    )


def _head_signature(manifest: Manifest) -> Signature:
    lanes, width = manifest.frames_per_segment, manifest.feature_width
    state = {
        "h": ArraySpec("float32", (None, lanes, manifest.hidden_width)),
        "c": ArraySpec("float32", (None, lanes, manifest.hidden_width)),
        "m": ArraySpec("float32", (None, lanes)),
        "l": ArraySpec("float32", (None, lanes)),
        "a": ArraySpec("float32", (None, lanes, width)),
    }
    return Signature(
        inputs={
            "features": ArraySpec("float32", (None, width)),
            "lane": ArraySpec("int32", (None,)),
            **state,
        },
        outputs={
            **{f"{name}_out": spec for name, spec in state.items()},
            "segment_scores": ArraySpec("float32", (None, lanes, len(manifest.classes))),
            "logits": ArraySpec("float32", (None, lanes)),
        },
    )
