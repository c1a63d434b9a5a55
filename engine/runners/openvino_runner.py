"""OpenVINO: the runner of CPUs. The only file that imports it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

# Importing openvino reports that to its maker, through openvino-telemetry (a package that it
# depends on: 2026.4 does it in openvino/tools/ovc/__init__.py). Nothing leaves this machine: an
# entry of None makes that import fail, and OpenVINO then takes a stand-in that sends nothing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino as ov  # noqa: E402

from engine.arrays import AnyArray  # noqa: E402
from engine.errors import RunnerError  # noqa: E402
from engine.runners.runner import ArraySpec, Signature  # noqa: E402

log = logging.getLogger(__name__)

# Always stated: left alone, OpenVINO computes in bf16 wherever the CPU can. What an int8 graph
# quantises runs in int8 under any hint; the rest of it, softmax and sums above all, is fp32.
_PRECISIONS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}
_DTYPES = {"u8": "uint8", "i32": "int32", "f32": "float32"}


class OpenVinoRunner:
    """One ONNX graph, compiled for the CPU.

    Args:
        name: of the graph, for messages.
        model: the ONNX text.
        signature: what the graph must take and give; the first size of each shape is the batch.
        batches: the batch sizes to compile, 1 among them. A batch is run as the largest of them
            that fit, one after the other: nothing is padded, and nothing is compiled while
            cameras wait.
        precision: fp32, bf16, or int8 for a graph with Q/DQ nodes.
        threads: how many cores to use; 0 for all.
        cache_dir: where compiled graphs are kept for the next start; None for nowhere.

    Raises RunnerError where OpenVINO can't read or compile the graph, GraphMismatch where the
    graph isn't of that signature.
    """

    device = "cpu"

    def __init__(
        self,
        *,
        name: str,
        model: bytes,
        signature: Signature,
        batches: Sequence[int] = (1,),
        precision: str = "fp32",
        threads: int = 0,
        cache_dir: Path | None = None,
    ) -> None:
        self.precision = precision
        self.batches = tuple(sorted(batches))
        self._name = name
        self._signature = signature
        settings: dict[str, object] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _PRECISIONS[precision],
        }
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        try:
            with ThreadPoolExecutor(max_workers=1) as thread:  # _compiled says why
                self._requests = thread.submit(
                    _compiled, name, model, signature, batches, settings, cache_dir
                ).result()
        except RuntimeError as error:
            raise RunnerError(
                f"OpenVINO can't open the graph {name} ({_reason(error)}); export the bundle again"
            ) from error

    def run(self, inputs: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
        rows = self._signature.rows(self._name, inputs)
        parts = [
            self._infer(batch, {key: array[start : start + batch] for key, array in inputs.items()})
            for start, batch in self._split(rows)
        ]
        if len(parts) == 1:
            return parts[0]
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}

    def close(self) -> None:
        self._requests.clear()

    def _infer(self, batch: int, inputs: dict[str, AnyArray]) -> dict[str, AnyArray]:
        try:
            # Outputs are copied, so that the next run can't change what this one returned.
            results = self._requests[batch].infer(inputs, share_inputs=True)
        except RuntimeError as error:
            raise RunnerError(f"OpenVINO failed in {self._name}: {_reason(error)}") from error
        return {key: results[key] for key in self._signature.outputs}

    def _split(self, rows: int) -> Iterator[tuple[int, int]]:
        """(first row, batch size) of each part; sizes fall."""
        start = 0
        for batch in self._requests:  # the largest first
            while rows - start >= batch:
                yield start, batch
                start += batch


def _compiled(
    name: str,
    model: bytes,
    signature: Signature,
    batches: Sequence[int],
    settings: dict[str, object],
    cache_dir: Path | None,
) -> dict[int, ov.InferRequest]:
    """A request for each batch size, the largest first.

    To be called in a thread that ends soon. OpenVINO's CPU plugin gives the thread that loads it a
    stack of its own for signals, and frees that when it is unloaded, often without taking it away:
    the next signal with a handler, a Ctrl-C, would then be a segmentation fault. A thread that is
    gone by then gets no signals.
    """
    core = ov.Core()
    graph = core.read_model(model)
    signature.require_inputs(name, _specs(graph.inputs))
    requests = {}
    for batch in sorted(batches, reverse=True):
        graph.reshape({key: [batch, *s.shape[1:]] for key, s in signature.inputs.items()})
        # Only now are all sizes inside the graph known.
        signature.require_outputs(name, _specs(graph.outputs))
        compiled = _compile(core, graph, settings, cache_dir)
        requests[batch] = compiled.create_infer_request()
    return requests


def _compile(
    core: ov.Core, graph: ov.Model, settings: dict[str, object], cache_dir: Path | None
) -> ov.CompiledModel:
    if cache_dir is None:
        return core.compile_model(graph, "CPU", settings)
    try:
        return core.compile_model(graph, "CPU", {**settings, "CACHE_DIR": str(cache_dir)})
    except RuntimeError as error:
        # A full disk or a damaged file there must not keep the engine from starting.
        log.warning("compiling without the cache in %s: %s", cache_dir, _reason(error))
        return core.compile_model(graph, "CPU", settings)


def _specs(ports: Sequence[ov.ConstOutput]) -> dict[str, ArraySpec]:
    return {port.get_any_name(): _spec(port) for port in ports}


def _spec(port: ov.ConstOutput) -> ArraySpec:
    name = port.get_element_type().get_type_name()
    sizes = (n.get_length() if n.is_static else None for n in port.get_partial_shape())
    return ArraySpec(_DTYPES.get(name, name), tuple(sizes))


def _reason(error: RuntimeError) -> str:
    """OpenVINO's own words without the source lines it puts before them."""
    lines = [line.strip() for line in str(error).splitlines()]
    said = [line for line in lines if line and not line.startswith("Exception from")]
    return said[-1].rstrip(".") if said else "no reason given"
