"""Who compiles kernels on this machine: NVRTC from pip (no toolkit needed), else nvcc."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from engine.errors import DeviceFailed, DeviceMissing

_NVCC_TIMEOUT_S = 300


class Compiler(Protocol):
    """version: names the compiler too; compiled code is kept apart by it."""

    version: str

    def cubin(self, source: Path, arch: str, options: Sequence[str]) -> bytes:
        """Code for one GPU (`sm_90`). Raises DeviceFailed with the compiler's words."""
        ...


def find_compiler() -> Compiler:
    """Raises DeviceMissing where there is none."""
    return _nvrtc() or _nvcc() or _none()


def _none() -> Compiler:
    raise DeviceMissing(
        "there is no compiler for the GPU's kernels; `pip install nvidia-cuda-nvrtc cuda-bindings` "
        "(it comes with gesta[gpu]), or put nvcc on the PATH, or use --device cpu"
    )


class Nvrtc:
    """NVIDIA's run-time compiler."""

    def __init__(self, nvrtc: Any) -> None:
        self._nvrtc = nvrtc
        major, minor = self._asked("nvrtcVersion")
        self.version = f"nvrtc {major}.{minor}"

    def cubin(self, source: Path, arch: str, options: Sequence[str]) -> bytes:
        """See Compiler."""
        text, name = source.read_bytes(), source.name.encode()
        (program,) = self._asked("nvrtcCreateProgram", text, name, 0, [], [])
        try:
            # To a fixed GPU's code, not PTX: that would tie it to drivers as new as the compiler.
            arguments = [each.encode() for each in (f"--gpu-architecture={arch}", *options)]
            (result,) = self._nvrtc.nvrtcCompileProgram(program, len(arguments), arguments)
            if result.value:
                words = self._read("nvrtcGetProgramLog", program).decode(errors="replace")
                raise _refused(self.version, source, arch, words)
            return self._read("nvrtcGetCUBIN", program)
        finally:
            self._nvrtc.nvrtcDestroyProgram(program)

    def _read(self, what: str, program: object) -> bytes:
        size: int
        (size,) = self._asked(f"{what}Size", program)
        read = bytes(size)
        self._asked(what, program, read)  # writes into it
        return read

    def _asked(self, function: str, *arguments: object) -> tuple[Any, ...]:
        result, *values = getattr(self._nvrtc, function)(*arguments)
        if result.value:
            raise DeviceFailed(f"{function} of NVRTC failed: {result.name}")
        return tuple(values)


class Nvcc:
    """The CUDA toolkit's compiler."""

    def __init__(self, program: str) -> None:
        self._program = program
        said = _run([program, "--version"]).stdout
        found = re.search(r"release (\S+),", said)
        self.version = f"nvcc {found.group(1) if found else said.strip()}"

    def cubin(self, source: Path, arch: str, options: Sequence[str]) -> bytes:
        """See Compiler."""
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "kernels.cubin"
            done = _run(
                [self._program, "-cubin", f"-arch={arch}", *options, "-o", str(target), str(source)]
            )
            if done.returncode:
                raise _refused(self.version, source, arch, done.stderr + done.stdout)
            return target.read_bytes()


def _nvrtc() -> Compiler | None:
    try:
        from cuda.bindings import nvrtc

        return Nvrtc(nvrtc)
    # RuntimeError: the bindings are there, the library that they bind is not.
    except (ImportError, RuntimeError):
        return None


def _nvcc() -> Compiler | None:
    program = shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")
    return Nvcc(program) if program else None


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603  (nvcc, by its whole path)
            command, capture_output=True, text=True, timeout=_NVCC_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceFailed(f"{command[0]} can't compile: {error}") from error


def _refused(compiler: str, source: Path, arch: str, words: str) -> DeviceFailed:
    lines = [line.strip() for line in words.strip("\0 \n").splitlines() if line.strip()]
    first = next((line for line in lines if "error" in line), " ".join(lines[:1]))
    return DeviceFailed(
        f"{compiler} can't compile {source.name} for {arch}: {first}; a GPU newer than the "
        "compiler needs a newer one (`pip install -U nvidia-cuda-nvrtc cuda-bindings`)"
    )
