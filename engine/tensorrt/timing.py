"""The timing cache: which of a layer's kernels was the fastest here, kept between builds."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

from engine.cache import keep, read_kept
from engine.tensorrt.library import TensorRT

log = logging.getLogger(__name__)


class TimingCache:
    """The one file for this GPU and this TensorRT. folder: None for nowhere."""

    def __init__(self, folder: Path | None, tensorrt: TensorRT) -> None:
        where = f"{tensorrt.device.name} {tensorrt.device.arch} {tensorrt.version}"
        digest = hashlib.sha256(where.encode()).hexdigest()
        self._path = folder and folder / f"timings-{digest[:16]}.cache"
        self._tensorrt = tensorrt

    def attach(self, config: Any) -> Any:
        """Give a trt.IBuilderConfig what is known; the cache that this returns must outlive it."""
        kept = read_kept(self._path) if self._path else None
        if kept is not None:
            cache = config.create_timing_cache(kept)
            if cache is not None and config.set_timing_cache(cache, False):  # False: no other GPU's
                return cache
            log.warning(
                "measuring kernels anew, since TensorRT refuses %s: %s",
                self._path,
                self._tensorrt.voice.last_words(),
            )
        cache = self._tensorrt.had(config.create_timing_cache(b""), "make a timing cache")
        self._tensorrt.had(config.set_timing_cache(cache, False), "take a timing cache")
        return cache

    def keep(self, cache: Any) -> None:
        """What a build has found out, for the next one."""
        if self._path is not None and (text := cache.serialize()) is not None:
            keep(self._path, bytes(text))
