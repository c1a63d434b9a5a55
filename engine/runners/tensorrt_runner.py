"""TensorRT: the runner of NVIDIA's GPUs."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.arrays import AnyArray
from engine.cuda.gpu import Memory
from engine.runners.cover import Cover
from engine.runners.runner import Signature
from engine.tensorrt.builder import build_plan
from engine.tensorrt.library import TensorRT
from engine.tensorrt.plan import PlanFile, PlanKey
from engine.tensorrt.profile import Profile
from engine.tensorrt.weights import WEIGHTS_VERSION

log = logging.getLogger(__name__)


class TensorRtRunner:
    """One ONNX graph, compiled for the GPU: from the plan that is kept, else built and kept.

    Args:
        tensorrt: the library on its GPU.
        name: of the graph, for messages.
        model: the ONNX text.
        signature: what the graph must take and give; the first size of each shape is the batch.
        batches: the sizes to build, each a profile with memory of its own. Any number of rows is
            made up of them, the cheapest way by what a run of each took when it was opened.
        precision: fp32, fp16 or int8.
        typed: the graph is written in that precision; else (fp16 only) TensorRT derives it.
        cache_dir: where plans and timings are kept for the next start; None for nowhere.
        progress: told of a build.

    Any thread may run it, one at a time.

    profiles: by the batch sizes that there are. cover: which of them hold a number of rows.

    Raises RunnerError where TensorRT can't read the graph, GraphMismatch where the graph isn't of
    that signature, DeviceFull or DeviceFailed where the GPU can't take it.
    """

    device = "cuda"

    def __init__(
        self,
        tensorrt: TensorRT,
        *,
        name: str,
        model: bytes,
        signature: Signature,
        batches: Sequence[int],
        precision: str,
        typed: bool = True,
        cache_dir: Path | None = None,
        progress: Callable[[str], None] = log.info,
    ) -> None:
        self.precision = precision
        self.name, self._signature = name, signature
        self._tensorrt, self._device = tensorrt, tensorrt.device
        self.profiles: dict[int, Profile] = {}
        self._scratch: Memory | None = None
        key = PlanKey(
            graph=hashlib.sha256(model).hexdigest(),
            weights=WEIGHTS_VERSION,
            tensorrt=tensorrt.version,
            gpu=self._device.name,
            arch=self._device.arch,
            precision=precision,
            batches=tuple(sorted(batches)),
        )
        file = PlanFile(cache_dir, name, key)

        def build() -> tuple[Any, tuple[int, ...]]:
            plan = build_plan(
                tensorrt,
                name=name,
                model=model,
                signature=signature,
                precision=precision,
                typed=typed,
                batches=key.batches,
                cache_dir=cache_dir,
                progress=progress,
            )
            file.keep(plan)
            engine = tensorrt.had(tensorrt.engine(plan.text), f"open the plan of {name}")
            return engine, plan.batches

        with self._device.current():
            try:
                self._engine, self.batches = self._kept(file) or build()
                self._bind()
                self.cover = Cover({n: each.time_ns() for n, each in self.profiles.items()})
            except BaseException:
                self._release()
                raise

    def run(self, inputs: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
        """See Runner."""
        rows = self._signature.rows(self.name, inputs)
        parts, start = [], 0
        with self._device.current():
            for batch in self.cover.of(rows):
                part = {key: array[start : start + batch] for key, array in inputs.items()}
                parts.append(self.profiles[batch].run(part))
                start += batch
        if len(parts) == 1:
            return parts[0]
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}

    def close(self) -> None:
        """See Runner."""
        with self._device.current():
            self._release()

    def _kept(self, file: PlanFile) -> tuple[Any, tuple[int, ...]] | None:
        if (plan := file.read()) is None:
            return None
        if (engine := self._tensorrt.engine(plan.text)) is None:
            words = self._tensorrt.voice.last_words()
            log.warning("building again, since TensorRT refuses %s: %s", file.path, words)
            return None
        return engine, plan.batches

    def _bind(self) -> None:
        scratch_bytes = self._tensorrt.scratch_bytes(self._engine)
        # One for all: a profile runs to its end before another begins.
        scratch = self._scratch = self._device.allocate(scratch_bytes)
        stream = self._device.stream()
        for index, batch in enumerate(self.batches):
            self.profiles[batch] = Profile(
                self._tensorrt,
                self._engine,
                name=self.name,
                signature=self._signature,
                index=index,
                batch=batch,
                scratch=scratch,
                scratch_bytes=scratch_bytes,
                stream=stream,
            )

    def _release(self) -> None:
        for profile in self.profiles.values():
            profile.close()
        self.profiles.clear()
        self._engine = None
        if self._scratch is not None:
            self._scratch.free()
            self._scratch = None
