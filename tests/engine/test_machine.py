import os
import sys

import pytest

from engine import machine
from engine.machine import Machine, describe_machine

EPYC = """processor\t: 0
model name\t: A Processor
flags\t\t: fpu avx2 avx512f avx512_bf16 avx512_vnni

processor\t: 1
model name\t: A Processor
flags\t\t: fpu avx2
"""


@pytest.fixture
def cpuinfo(monkeypatch):
    def with_text(text):
        monkeypatch.setattr(machine.Path, "read_text", lambda self, **_: text)
        return describe_machine.__wrapped__()

    return with_text


def test_features_are_read_from_the_kernels_flags(cpuinfo):
    found = cpuinfo(EPYC)
    assert found.cpu == "A Processor"
    assert found.features == ("avx2", "avx512", "avx512_bf16", "vnni")
    assert found.computes_bf16


def test_avx512_alone_does_not_compute_bf16(cpuinfo):
    found = cpuinfo("model name : B\nflags : avx512f avx2 avx512_vnni\n")
    assert found.features == ("avx512", "avx2", "vnni")
    assert not found.computes_bf16


def test_an_arm_board_is_described_too(cpuinfo):
    found = cpuinfo("processor : 0\nFeatures : fp asimd bf16\n")
    assert found.features == ("neon", "bf16")
    assert found.cpu


def test_this_machine_is_described_without_loading_or_starting_anything():
    started = []
    sys.addaudithook(
        lambda event, arguments: started.append(arguments) if "Popen" in event else None
    )
    found = describe_machine.__wrapped__()
    assert not started
    assert isinstance(found, Machine)
    assert 1 <= found.cores <= os.cpu_count()
    assert found.openvino
    assert "tensorrt" not in sys.modules
    assert "pycuda" not in sys.modules
