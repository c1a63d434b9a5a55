"""What this machine has to run an engine on. Nothing is loaded to find out."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# What changes speed or precision, by the kernel's names for it.
_FEATURES = {
    "avx2": "avx2",
    "avx512f": "avx512",
    "avx512_bf16": "avx512_bf16",
    "avx512_vnni": "vnni",
    "avx_vnni": "vnni",
    "amx_bf16": "amx_bf16",
    "amx_int8": "amx_int8",
    "amx_tile": "amx",
    "asimd": "neon",
    "bf16": "bf16",
}

# Where the driver shows itself if not in /sys: a container's devices, a Jetson, Windows' subsystem.
# (Python's own search for libcuda would run a linker, or even a compiler.)
_NVIDIA_SIGNS = ("/dev/nvidiactl", "/dev/nvhost-gpu", "/usr/lib/wsl/lib/libcuda.so.1")


@dataclass(frozen=True)
class Machine:
    """cores: those this process may use. Versions are None where the package isn't installed.

    features: of avx2, avx512, avx512_bf16, vnni, amx, amx_bf16, amx_int8 (on ARM: neon, bf16).
    nvidia_driver: its version; "present" where that can't be read, None without one.
    """

    cpu: str
    cores: int
    features: tuple[str, ...]
    openvino: str | None
    tensorrt: str | None
    pycuda: str | None
    nvidia_driver: str | None

    @property
    def computes_bf16(self) -> bool:
        """In hardware: OpenVINO also emulates bf16 with AVX-512 alone, to nobody's gain."""
        return not {"avx512_bf16", "amx_bf16"}.isdisjoint(self.features)


@cache
def describe_machine() -> Machine:
    """Look once; a machine doesn't change under a process."""
    cpu = _cpu_info()
    flags = (cpu.get("flags") or cpu.get("Features") or "").split()
    return Machine(
        cpu=cpu.get("model name") or platform.processor() or platform.machine(),
        cores=_cores(),
        features=tuple(dict.fromkeys(_FEATURES[flag] for flag in flags if flag in _FEATURES)),
        openvino=_version("openvino"),
        tensorrt=_version("tensorrt"),
        pycuda=_version("pycuda"),
        nvidia_driver=_nvidia_driver(),
    )


def _cpu_info() -> dict[str, str]:
    """The first processor's entries of /proc/cpuinfo; empty where there is no such file."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _version(package: str) -> str | None:
    if importlib.util.find_spec(package) is None:
        return None
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "present"


def _nvidia_driver() -> str | None:
    try:
        return Path("/sys/module/nvidia/version").read_text(encoding="ascii").strip()
    except OSError:
        return "present" if any(Path(sign).exists() for sign in _NVIDIA_SIGNS) else None
