"""TV-L1 flow on an NVIDIA GPU, by the kernels of `tvl1.cu`: real time, and many cameras at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from engine.arrays import F32, U8
from engine.cuda.gpu import Device, Kernels, Memory, Start, Stream, open_gpu
from engine.flow.estimator import FlowParameter
from engine.flow.tvl1_plan import TvL1Plan, refuse_what_kernels_lack
from engine.flow.tvl1_settings import TvL1Settings

SOURCE = Path(__file__).with_name("tvl1.cu")


class TvL1Batch:
    """The flow of a plan's pairs, from device memory to device memory.

    Everything is compiled, allocated and bound here; `enqueue` only starts kernels, so it can be
    captured into a CUDA graph. The device must be current for all of it.

    memory: by name, as `TvL1Plan.buffers` has them: fill `previous` and `current`, read `flow`.

    Raises DeviceMissing or DeviceFailed.
    """

    def __init__(self, plan: TvL1Plan, device: Device) -> None:
        self.plan = plan
        self.memory: dict[str, Memory] = {
            name: device.allocate(size_bytes) for name, size_bytes in plan.buffers.items()
        }
        self._starts = bound(plan, device.kernels(SOURCE), self.memory)

    def enqueue(self, stream: Stream) -> None:
        """Put the whole computation on the stream; returns before it is done."""
        for start in self._starts:
            start(stream)

    def close(self) -> None:
        """Give the memory back. The stream must be done."""
        for memory in self.memory.values():
            memory.free()


def bound(plan: TvL1Plan, kernels: Kernels, memory: Mapping[str, Memory]) -> list[Start]:
    """A plan's launches, on memory of its buffers or larger."""
    addresses = {name: int(piece) for name, piece in memory.items()}
    return [kernels.bind(launch, addresses) for launch in plan.launches]


class CudaTvL1Flow:
    """One camera's flow, as other flows are: one pair at a time, from the host and back to it.

    parameters: as for the CPU's; epsilon must be 0 and median_filtering 1, since the kernels have
    a fixed number of iterations and no median filter. The flow is then the CPU's but for rounding.

    Raises FlowMismatch, DeviceMissing or DeviceFailed.
    """

    name = "tvl1"
    device = "cuda"

    def __init__(
        self, parameters: Mapping[str, FlowParameter], device: Device | None = None
    ) -> None:
        self._settings = TvL1Settings.of(parameters)
        refuse_what_kernels_lack(self._settings)
        self._device = device or open_gpu()
        with self._device.current():
            self._device.kernels(SOURCE)  # so that what they lack shows now, and not in a camera
            self._stream = self._device.stream()
        self._pair: _Pair | None = None  # for pictures of the size that came last

    def estimate(self, previous: U8, current: U8) -> F32:
        """Grey [H,W] x 2 -> [2,H,W] px per grid step."""
        height, width = previous.shape
        with self._device.current():
            if self._pair is None or self._pair.size != (height, width):
                if self._pair is not None:
                    self._pair.batch.close()
                    self._pair = None
                plan = TvL1Plan(self._settings, height, width, pairs=1)
                self._pair = _Pair(plan, self._device)
            return self._pair.estimate(previous, current, self._device, self._stream)


class _Pair:
    """A batch of one, with the host's ends of the copies."""

    def __init__(self, plan: TvL1Plan, device: Device) -> None:
        self.size = plan.height, plan.width
        self.batch = TvL1Batch(plan, device)
        self._pictures: U8 = device.pinned((2, *self.size), np.uint8)
        self._flow: F32 = device.pinned((2, *self.size), np.float32)

    def estimate(self, previous: U8, current: U8, device: Device, stream: Stream) -> F32:
        self._pictures[0], self._pictures[1] = previous, current
        memory = self.batch.memory
        device.upload(memory["previous"], self._pictures[0], stream)
        device.upload(memory["current"], self._pictures[1], stream)
        self.batch.enqueue(stream)
        device.download(self._flow, memory["flow"], stream)
        device.wait(stream)
        return self._flow.copy()
