"""Several processes that train one model, as torchrun starts them: one a GPU, on any machines.

A step's micro-batches are shared out among the processes, so how many there are changes how long
a step takes and, but for the order in which gradients are added, nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from training.device import choose_device
from training.errors import DeviceError

T = TypeVar("T")


class Turn(NamedTuple):
    """One micro-batch that a process takes.

    ends_step: the optimiser's step comes after it. counts: False where the step has too few
    micro-batches for all, and this process goes through another's without learning from it.
    """

    number: int  # in the epoch
    ends_step: bool
    counts: bool


@dataclass(frozen=True)
class Group:
    """The processes that train together, as one of them sees it. Number 0 leads: it alone writes
    files and shows progress.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def turns(self, micro_batches: int, per_step: int) -> list[Turn]:
        """This process's part of an epoch of `micro_batches`, `per_step` of them a step.

        Raises DeviceError where the processes can't share a step evenly.
        """
        if per_step % self.size:
            raise DeviceError(
                f"{self.size} processes can't share the {per_step} micro-batches of a step evenly: "
                f"start a number that divides {per_step}, or change `batch` or `micro_batch` of "
                "the phase."
            )
        turns = []
        for first in range(0, micro_batches, per_step):
            end = min(first + per_step, micro_batches)
            own = range(first + self.rank, end, self.size)
            turns += [Turn(number, number == own[-1], True) for number in own]
            if not own:
                turns.append(Turn(first, True, False))
        return turns

    def sharing(self, module: nn.Module, device: torch.device) -> nn.Module:
        """`module`, whose backward passes also average gradients over the group."""
        if self.size == 1:
            return module
        ids = [device.index] if device.type == "cuda" else None
        # Buffers are batch norm's; `same_buffers` has them once an epoch.
        return DistributedDataParallel(module, device_ids=ids, forward_sync_buffers=False)

    def without_sharing(self, module: nn.Module) -> AbstractContextManager[None]:
        """Within it, backward passes keep gradients to this process: more are to come."""
        if isinstance(module, DistributedDataParallel):
            return module.no_sync()
        return nullcontext()

    def same_buffers(self, module: nn.Module) -> None:
        """Give every process the leader's buffers: batch norm's statistics differ otherwise."""
        if self.size > 1:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def total(self, values: Tensor) -> Tensor:
        """The sum of every process's `values`."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def from_leader(self, value: T) -> T:
        """The leader's value, on every process; what the others give is ignored."""
        if self.size == 1:
            return value
        box = [value if self.leads else None]
        dist.broadcast_object_list(box, src=0)
        return box[0]  # type: ignore[return-value]


ALONE = Group()


def processes() -> int:
    """How many torchrun has started for this command."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def joined(device_name: str) -> Iterator[tuple[Group, torch.device]]:
    """The group that torchrun's environment names, or this process alone; and its device.

    Raises DeviceError where there is no such device.
    """
    if processes() == 1:
        yield ALONE, choose_device(device_name)
        return
    device = choose_device(device_name, local_rank=int(os.environ["LOCAL_RANK"]))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Group(dist.get_rank(), dist.get_world_size()), device
    finally:
        dist.destroy_process_group()
