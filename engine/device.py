"""Opens a bundle's graphs on what this machine has."""

from __future__ import annotations

import logging
from collections.abc import Callable

from engine.bundle import Bundle
from engine.errors import DeviceMissing, RunnerError
from engine.graphs import Graphs
from engine.machine import describe_machine
from engine.openvino_graphs import open_on_cpu
from engine.tensorrt_graphs import open_on_gpu

__all__ = ["DEVICES", "PRECISIONS", "describe_machine", "open_graphs"]

log = logging.getLogger(__name__)

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "fp32", "fp16", "bf16", "int8")


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
        device: cpu is OpenVINO, cuda TensorRT; auto is cuda where there is an NVIDIA driver and
            all that it takes, else cpu, with a warning that says why.
        precision: of the CNNs. auto is fp16 on a GPU, and bf16 on a CPU that computes in it, where
            the bundle's tolerance for it holds, else fp32; never int8, which a user must ask for.
        threads: cores for one inference; 0 for all.
        progress: told in words what happens, with the gate's numbers.

    Raises DeviceMissing, DeviceFailed, EngineDrift, GraphMismatch, RunnerError or BundleError.
    """
    if device not in DEVICES or precision not in PRECISIONS:
        raise DeviceMissing(
            f"there is no device '{device}' with precision '{precision}'; use "
            f"{' or '.join(DEVICES)}, and {' or '.join(PRECISIONS)}"
        )
    if device == "cuda" or (device == "auto" and describe_machine().nvidia_driver):
        try:
            return open_on_gpu(bundle, precision, progress)
        except RunnerError as error:
            if device == "cuda":
                raise
            log.warning("running on the CPU, not on the GPU: %s", error)
    return open_on_cpu(bundle, precision, threads, progress)
