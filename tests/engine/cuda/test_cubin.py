"""Compiled kernels and their cache."""

import logging
import re
import subprocess
from functools import partial

import pytest

from engine.cuda import compilers
from engine.cuda.compilers import Nvcc, find_compiler
from engine.cuda.cubin import OPTIONS, cache_name, cubin
from engine.errors import DeviceFailed, DeviceMissing
from engine.flow import pictures
from engine.flow.tvl1_cuda import SOURCE
from engine.tensorrt import rows

ARCHITECTURES = ("sm_75", "sm_80", "sm_89", "sm_90")  # T4, A100, L4, H100 and H200


class FakeCompiler:
    def __init__(self, version="fake 1"):
        self.version, self.compiled = version, []

    def cubin(self, source, arch, options):
        self.compiled.append(arch)
        return f"{self.version} {arch} {source.read_text()}".encode()


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "kernel.cu"
    path.write_text("first")
    return path


@pytest.fixture
def cache(tmp_path):
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def test_what_was_compiled_once_is_kept(source, cache):
    compiler = FakeCompiler()
    get = partial(cubin, source, "sm_90", cache, compiler=lambda: compiler)
    assert get() == get() == b"fake 1 sm_90 first"
    assert compiler.compiled == ["sm_90"]
    assert [path.name for path in cache.iterdir()] == [cache_name(source, "sm_90", "fake 1")]


def test_another_source_gpu_or_compiler_is_compiled_anew(source, cache):
    def get(arch, version):
        return cubin(source, arch, cache, compiler=lambda: FakeCompiler(version))

    assert get("sm_90", "fake 1") == b"fake 1 sm_90 first"
    assert get("sm_80", "fake 1") == b"fake 1 sm_80 first"
    assert get("sm_90", "fake 2") == b"fake 2 sm_90 first"
    source.write_text("second")
    assert get("sm_90", "fake 1") == b"fake 1 sm_90 second"
    assert len(list(cache.iterdir())) == 4


@pytest.mark.parametrize(
    "damage", [lambda code: code[:-1], lambda code: b"", lambda code: b"x" * 99]
)
def test_a_damaged_file_is_replaced(damage, source, cache, caplog):
    get = partial(cubin, source, "sm_90", cache, compiler=FakeCompiler)
    whole = get()
    (kept,) = cache.iterdir()
    kept.write_bytes(damage(kept.read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert get() == whole
    assert "damaged" in caplog.text
    caplog.clear()
    assert get() == whole
    assert not caplog.records


def test_without_a_cache_it_compiles_each_time(source, tmp_path, caplog):
    assert cubin(source, "sm_90", None, compiler=FakeCompiler) == b"fake 1 sm_90 first"
    with caplog.at_level(logging.WARNING):
        found = cubin(source, "sm_90", tmp_path / "no such folder", compiler=FakeCompiler)
    assert found == b"fake 1 sm_90 first"
    assert "isn't kept for the next start" in caplog.text


def test_without_a_compiler_the_remedy_is_said(monkeypatch):
    monkeypatch.setattr(compilers, "_nvrtc", lambda: None)
    monkeypatch.setattr(compilers.shutil, "which", lambda name: None)
    with pytest.raises(DeviceMissing, match="pip install nvidia-cuda-nvrtc cuda-bindings"):
        find_compiler()


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("which", ["_nvrtc", "_nvcc"])
@pytest.mark.parametrize(
    "source", [SOURCE, rows.SOURCE, pictures.SOURCE], ids=lambda path: path.name
)
def test_the_kernels_compile(source, which, arch):
    assert _found(which).cubin(source, arch, OPTIONS).startswith(b"\x7fELF")


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_regions_pixels_stay_in_registers(arch, tmp_path):
    nvcc = _found("_nvcc")._program
    told = subprocess.run(
        [nvcc, "-cubin", f"-arch={arch}", *OPTIONS, "-Xptxas", "-v", "-o", "k.cubin", SOURCE],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    frames = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores", told)
    assert frames == [("0", "0")] * 8
    assert max(int(n) for n in re.findall(r"Used (\d+) registers", told)) <= 128


@pytest.mark.parametrize("which", ["_nvrtc", "_nvcc"])
def test_a_refusal_is_the_compilers_own_words(which, source):
    source.write_text('extern "C" __global__ void f() { x = 3; }')
    with pytest.raises(DeviceFailed, match=r'kernel.cu for sm_90: .*identifier "x" is undefined'):
        _found(which).cubin(source, "sm_90", ())
    with pytest.raises(DeviceFailed, match=r"for sm_12: .*newer than the compiler needs a newer"):
        _found(which).cubin(source, "sm_12", ())


def test_an_nvcc_that_is_no_program(tmp_path):
    with pytest.raises(DeviceFailed, match="can't compile"):
        Nvcc(str(tmp_path / "nvcc"))


def _found(which):
    compiler = getattr(compilers, which)()
    if compiler is None:
        pytest.skip(f"{which[1:]} is not installed: nothing here compiles kernels by it")
    return compiler
