"""What a model is trained on: this machine's processor or a GPU, in fp32 or in mixed precision."""

from __future__ import annotations

import numpy as np
import torch

from training.errors import DeviceError

CPU = torch.device("cpu")


def choose_device(name: str, *, local_rank: int = 0) -> torch.device:
    """auto, cpu or cuda -> a device; auto is a GPU where torch can use one.

    local_rank: this process among those of its machine; each takes a GPU of its own.

    Raises DeviceError where there is no such GPU.
    """
    found = torch.cuda.is_available()
    if name == "cpu" or (name == "auto" and not found):
        return CPU
    if not found:
        raise DeviceError(
            f"torch {torch.__version__} finds no NVIDIA GPU here: choose `--device cpu`, or "
            "install a driver and a torch that fit each other."
        )
    count = torch.cuda.device_count()
    if local_rank >= count:
        raise DeviceError(
            f"There are more processes than GPUs on this machine, which has {count}: start "
            f"torchrun with --nproc-per-node {count}."
        )
    return torch.device("cuda", local_rank)


def settle(device: torch.device) -> None:
    """Settings of torch for the whole process.

    On a CPU only deterministic kernels, which cost nothing there. On a GPU they would, so there
    two runs of one seed differ in the last digits.
    """
    if device.type == "cpu":
        torch.use_deterministic_algorithms(True)
        # Filling what is overwritten anyway does cost.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    else:
        # Convolutions are cuDNN's own choice: trying them out takes half a minute, and anew for
        # each number of images, of which clips have many.
        torch.cuda.set_device(device)


def seed_torch(device: torch.device, *numbers: int) -> None:
    """Seed what torch draws on `device` from now on (dropout), by all of `numbers` together.

    `torch.manual_seed` is a hundred times slower: it prepares for devices that aren't in use.
    """
    seed = int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def half_type(device: torch.device, precision: str) -> torch.dtype | None:
    """What mixed precision computes in: bf16, or fp16 on a GPU too old for it; None for fp32."""
    if precision == "fp32":
        return None
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """A context in which matrix products are computed in `half_type`."""
    half = half_type(device, precision)
    return torch.autocast(device.type, half or torch.bfloat16, enabled=half is not None)


def gradient_scaler(device: torch.device, precision: str) -> torch.amp.GradScaler:
    """Scales the loss so that small gradients don't vanish in fp16; elsewhere it does nothing."""
    return torch.amp.GradScaler(device.type, enabled=half_type(device, precision) == torch.float16)
