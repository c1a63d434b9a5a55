"""Where networks are computed, and in what precision."""

import pytest
import torch

from training.device import CPU, autocast, choose_device, half_type
from training.errors import DeviceError


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine with two GPUs too old for bf16, as torch would describe it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    return monkeypatch


def test_auto_is_a_gpu_where_there_is_one(gpus: pytest.MonkeyPatch) -> None:
    assert choose_device("auto", local_rank=1) == torch.device("cuda", 1)
    assert choose_device("cpu") == CPU
    gpus.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == CPU


def test_a_gpu_that_is_not_there_gets_a_sentence(gpus: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeviceError, match="--nproc-per-node 2"):
        choose_device("cuda", local_rank=2)
    gpus.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="--device cpu"):
        choose_device("cuda")


def test_mixed_precision_is_bf16_but_fp16_on_an_old_gpu(gpus: pytest.MonkeyPatch) -> None:
    cuda = torch.device("cuda", 0)
    assert half_type(CPU, "bf16") == torch.bfloat16
    assert half_type(cuda, "bf16") == torch.float16
    assert half_type(cuda, "fp32") is half_type(CPU, "fp32") is None
    gpus.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert half_type(cuda, "bf16") == torch.bfloat16


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_products_are_computed_in_what_was_asked_for(precision: str, dtype: torch.dtype) -> None:
    with autocast(CPU, precision):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
