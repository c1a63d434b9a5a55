"""Builds a plan from an ONNX graph: takes minutes, and happens once for each GPU and TensorRT."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine.errors import RunnerError
from engine.runners.runner import Signature
from engine.tensorrt.library import TensorRT
from engine.tensorrt.memory import needed_bytes
from engine.tensorrt.plan import Plan
from engine.tensorrt.timing import TimingCache
from engine.tensorrt.voice import monitor
from engine.tensorrt.weights import plain_weights

log = logging.getLogger(__name__)

# What one layer's kernel may use beside its tensors, while the build looks for the fastest.
_WORKSPACE_BYTES = 1 << 30
_FLAGS = {"fp16": "FP16", "int8": "INT8"}  # what an untyped build has to be allowed


def build_plan(
    tensorrt: TensorRT,
    *,
    name: str,
    model: bytes,
    signature: Signature,
    precision: str,
    typed: bool,
    batches: Sequence[int],
    cache_dir: Path | None,
    progress: Callable[[str], None],
) -> Plan:
    """Compile `model` for the GPU, with one profile for each batch size that there is memory for.

    Args:
        name: of the graph, for messages.
        signature: what the graph must take; the first size of each shape is the batch.
        precision: fp32, fp16 or int8.
        typed: `model` is written in that precision, else TensorRT is to derive it.
        cache_dir: for the timing cache.
        progress: told what is built, how much memory each batch will take, and how far it is.

    Raises RunnerError where TensorRT can't read the graph, GraphMismatch where it takes something
    else, DeviceFull or DeviceFailed where TensorRT can't build it, DeviceMissing without onnx.
    """
    trt, builder = tensorrt.trt, tensorrt.builder()
    network = tensorrt.had(
        builder.create_network(_network_flags(tensorrt, typed)), f"make the network of {name}"
    )
    _parse(tensorrt, network, name, model)
    taken = [network.get_input(i) for i in range(network.num_inputs)]
    signature.require_inputs(name, {t.name: tensorrt.spec(t.dtype, t.shape) for t in taken})
    free_bytes = tensorrt.device.free_bytes()
    fitting = _fitting(network, name, batches, free_bytes, progress)
    config = tensorrt.had(builder.create_builder_config(), f"make the settings of {name}")
    workspace_bytes = min(_WORKSPACE_BYTES, free_bytes // 2)
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace_bytes)
    config.clear_flag(trt.BuilderFlag.TF32)  # on by default: fp32 with the mantissa of fp16
    if not (typed and tensorrt.is_typed) and precision in _FLAGS:
        config.set_flag(getattr(trt.BuilderFlag, _FLAGS[precision]))
    for batch in fitting:
        profile = builder.create_optimization_profile()
        for key, spec in signature.inputs.items():
            # The smallest, the usual and the largest are one: kernels are chosen for this size.
            profile.set_shape(key, *[(batch, *spec.shape[1:])] * 3)
        if config.add_optimization_profile(profile) < 0:
            raise tensorrt.failed(f"take a batch of {batch} for {name}")
    watch = monitor(trt, name, progress)
    if watch is not None:
        config.progress_monitor = watch
    timings = TimingCache(cache_dir, tensorrt)
    known = timings.attach(config)
    text = builder.build_serialized_network(network, config)
    plan = bytes(tensorrt.had(text, f"build the plan of {name}"))
    timings.keep(known)
    return Plan(fitting, plan)


def _network_flags(tensorrt: TensorRT, typed: bool) -> int:
    kinds, flags = tensorrt.trt.NetworkDefinitionCreationFlag, 0
    if hasattr(kinds, "EXPLICIT_BATCH"):  # the only kind since 10, and yet to be asked for in 8.6
        flags |= 1 << int(kinds.EXPLICIT_BATCH)
    if typed and tensorrt.is_typed:
        flags |= 1 << int(kinds.STRONGLY_TYPED)
    return flags


def _parse(tensorrt: TensorRT, network: Any, name: str, model: bytes) -> None:
    parser = tensorrt.trt.OnnxParser(network, tensorrt.voice)
    if not parser.parse(plain_weights(model)):
        said = [parser.get_error(i).desc().strip() for i in range(parser.num_errors)]
        words = said[0].rstrip(".") if said else tensorrt.voice.last_words()
        raise RunnerError(
            f"TensorRT {tensorrt.version} can't read the graph {name} ({words}); export the "
            "bundle again, or use --device cpu"
        )


def _fitting(
    network: Any,
    name: str,
    batches: Sequence[int],
    free_bytes: int,
    progress: Callable[[str], None],
) -> tuple[int, ...]:
    """The batches, rising, that the GPU has memory for; the smallest in any case."""
    sizes = {batch: needed_bytes(network, batch) for batch in sorted(batches)}
    stated = ", ".join(f"batch {batch} {_mb(size)}" for batch, size in sizes.items())
    progress(
        f"building the plan of {name}, which takes minutes, once; memory on top of its weights: "
        f"{stated} at most; free {_mb(free_bytes)}"
    )
    smallest = min(sizes)
    fitting = tuple(n for n, size in sizes.items() if n == smallest or size < free_bytes)
    if left_out := sorted(set(sizes) - set(fitting)):
        log.warning(
            "%s is built for batches of up to %d, since there is too little free memory on the GPU "
            "for %s",
            name,
            max(fitting),
            " and ".join(map(str, left_out)),
        )
    return fitting


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB"
