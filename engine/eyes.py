"""Opens eyes on the device where graphs run, and says why where pictures are made on the host."""

from __future__ import annotations

import logging
from collections.abc import Callable

from engine.errors import EngineError
from engine.graphs import Graphs
from engine.manifest import FlowEntry, Manifest
from engine.sight import Eyes

log = logging.getLogger(__name__)


def open_eyes(
    graphs: Graphs,
    manifest: Manifest,
    flow: str,
    flow_device: str,
    entry: FlowEntry,
    *,
    hidden: int,
    lag: int,
    progress: Callable[[str], None],
) -> Eyes | None:
    """None where pictures and flow are to be made on the host.

    flow, flow_device, entry: the one that is to run, and where it runs for a single camera. hidden,
    lag: see `engine.pipeline.DevicePipeline.open_eyes`.
    """
    if graphs.resident is None:
        return None  # on the CPU; or it was said why each graph runs by itself
    if (flow, flow_device) != ("tvl1", "cuda"):
        progress(f"pictures are resized and cropped on the CPU, where flow {flow} is estimated")
        return None
    try:
        return graphs.resident.open_eyes(
            manifest,
            entry.parameters,
            bound_px=entry.bound_px,
            hidden=hidden,
            lag=lag,
            progress=progress,
        )
    except EngineError as error:
        log.warning("pictures are made on the CPU, not on the GPU: %s", error)
        return None
