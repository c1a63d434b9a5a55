"""The four graphs of a bundle, opened, and what runs them together."""

from __future__ import annotations

from dataclasses import dataclass

from engine.manifest import Manifest
from engine.pipeline import DevicePipeline, HostPipeline, Pipeline
from engine.runners.runner import Runner


@dataclass(frozen=True)
class Graphs:
    """engine: the library below and its version, for messages and logs.
    precision: of the CNNs; the heads' sums are fp32 always.
    resident: what keeps features and lanes on the device, where that was opened.
    """

    rgb: Runner
    flow: Runner
    rgb_head: Runner
    flow_head: Runner
    device: str
    precision: str
    engine: str
    resident: DevicePipeline | None = None

    @property
    def batches(self) -> tuple[int, ...]:
        """The batch sizes that any of the graphs was compiled for, rising."""
        return tuple(sorted({size for runner in self._all for size in runner.batches}))

    def pipeline(self, manifest: Manifest) -> Pipeline:
        """What takes cameras' samples from frames to scores; on the device where it can stay."""
        return self.resident or HostPipeline(
            manifest,
            {"rgb": self.rgb, "flow": self.flow},
            {"rgb": self.rgb_head, "flow": self.flow_head},
        )

    def close(self) -> None:
        if self.resident is not None:
            self.resident.close()
        for runner in self._all:
            runner.close()

    @property
    def _all(self) -> tuple[Runner, ...]:
        return self.rgb, self.flow, self.rgb_head, self.flow_head
