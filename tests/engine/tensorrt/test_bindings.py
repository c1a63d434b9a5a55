"""The stand-in for TensorRT against the real bindings: each name that is used is there.

GESTA_TENSORRT_BINDINGS names folders with bindings, for instance of 10 and of 11:

    pip install --no-deps --target FOLDER tensorrt-cu13-bindings==11.4.0.106

They load without TensorRT, a driver or a GPU, over a library that only has the names they want.
Those of 8.6 are for Python 3.10: GESTA_TENSORRT_PYTHON names its interpreter.
"""

import enum
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="the stand-in for TensorRT reads graphs by onnx")

from engine.tensorrt import library
from tests.engine.tensorrt.fake_builder import Builder
from tests.engine.tensorrt.fake_network import DataType
from tests.engine.tensorrt.fake_tensorrt import Runtime, surface

FOLDERS = [name for name in os.environ.get("GESTA_TENSORRT_BINDINGS", "").split(os.pathsep) if name]
WANTED = (
    *("createInferBuilder_INTERNAL", "createInferRuntime_INTERNAL"),
    *("createInferRefitter_INTERNAL", "createNvOnnxParser_INTERNAL"),
    *("createNvOnnxParserRefitter_INTERNAL", "getNvOnnxParserVersion", "getPluginRegistry"),
    *("getBuilderPluginRegistry", "initLibNvInferPlugins"),
    # Of 8.6, whose other parsers nobody uses:
    *("_ZN14nvcaffeparser117createCaffeParserEv", "_ZN14nvcaffeparser123shutdownProtobufLibraryEv"),
    *("_ZN11nvuffparser15createUffParserEv", "_ZN11nvuffparser8FieldMapC1EPKcPKvNS_9FieldTypeEi"),
)
LIBRARIES = ("nvinfer", "nvinfer_plugin", "nvonnxparser", "nvparsers")


@pytest.fixture(params=FOLDERS or [None])
def bindings(request, tmp_path):
    """Version and classes of one folder's bindings."""
    if request.param is None:
        pytest.skip("GESTA_TENSORRT_BINDINGS is not set: it names folders with real bindings")
    folder = Path(request.param)
    binary = next(folder.glob("tensorrt*/tensorrt.so"))
    (major,) = set(re.findall(rb"libnvinfer\.so\.(\d+)", binary.read_bytes()))
    python = os.environ.get("GESTA_TENSORRT_PYTHON", sys.executable)
    names = {*surface("8.6.0"), *surface("10.0"), "Builder", "Runtime"}
    done = subprocess.run(
        [
            python if major == b"8" else sys.executable,
            str(Path(__file__).with_name("bindings_surface.py")),
            stubs(tmp_path, major.decode()),
            *names,
        ],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return found["version"], found["classes"]


def stubs(folder, major):
    """Libraries under the names that the bindings ask for, as one path list."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler to build what the bindings link against")
    lines = [f"void *{name}(void) {{ return 0; }}" for name in WANTED]
    (folder / "stub.c").write_text("\n".join(lines))
    made = [folder / f"lib{name}.so.{major}" for name in LIBRARIES]
    for each in made:
        command = [compiler, "-shared", "-fPIC", f"-Wl,-soname,{each.name}", "-o", each, "stub.c"]
        subprocess.run(command, cwd=folder, check=True)
    return ":".join(map(str, made))


def test_what_is_used_is_there(bindings):
    version, real = bindings
    used = {**surface(version), "Builder": Builder, "Runtime": Runtime}
    missing = [
        f"{name}.{member}"
        for name, kind in used.items()
        for member in members(kind)
        if member not in real.get(name, ())
    ]
    assert not missing


def test_what_is_called_takes_what_it_is_given(bindings):
    version, real = bindings
    used = {**surface(version), "Builder": Builder, "Runtime": Runtime}
    checked, wrong = 0, []
    for name, kind in used.items():
        for member in members(kind):
            ours = getattr(kind, member, None)
            if not inspect.isfunction(ours):
                continue
            wanted = list(inspect.signature(ours).parameters)[1:]
            checked += 1
            if not any(takes[: len(wanted)] == wanted for takes in overloads(real[name][member])):
                wrong.append(f"{name}.{member}{wanted}: {real[name][member]}")
    assert checked > 30
    assert not wrong


def test_what_a_version_lacks_is_not_taken_for_there(bindings):
    """The forks of `engine.tensorrt.library`, which look for a name, take the right way."""
    version, real = bindings
    ours = surface(version)
    for flag in ("FP16", "INT8", "TF32"):
        assert (flag in real["BuilderFlag"]) == hasattr(ours["BuilderFlag"], flag)
    for kind in ("EXPLICIT_BATCH", "STRONGLY_TYPED"):
        there = kind in real["NetworkDefinitionCreationFlag"]
        assert there == hasattr(ours["NetworkDefinitionCreationFlag"], kind)
    for name in ("IProgressMonitor", "ExecutionContextAllocationStrategy"):
        assert (name in real) == (name in ours)


def members(kind):
    """The public names of a class or an enumeration."""
    if kind is DataType:  # the stand-in has types of tensors that nobody names, too
        return [*library._DTYPES, "itemsize", "name"]
    if issubclass(kind, enum.Enum):
        return [*kind.__members__, "name"]
    made = re.findall(r"self\.(\w+)", "".join(map(inspect.getsource, kind.__mro__[:-1])))
    return [name for name in {*dir(kind), *made} if not name.startswith("_")]


def overloads(doc):
    """The names of the arguments in each signature that a docstring of pybind11 holds."""
    for line in doc.splitlines():
        if found := re.match(r"(?:\d+\. )?\w+\(self: [\w.]+(?:, )?(.*)\) ->", line):
            yield re.findall(r"(\w+): ", found.group(1))
