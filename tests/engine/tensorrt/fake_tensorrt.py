"""A stand-in for TensorRT: the part of it that is used, in the versions that are written for.

Its classes, methods and arguments have the real names, and no others: `test_bindings` holds them
against the real bindings of each version. It says no as the real one does: None, False or a
TypeError, and a sentence to the logger.
"""

import enum
import json

from tests.engine.tensorrt.fake_builder import Builder, IBuilderConfig, ITimingCache, NewConfig
from tests.engine.tensorrt.fake_engine import (
    ExecutionContextAllocationStrategy,
    NewContext,
    NewEngine,
    OldContext,
    OldEngine,
    TensorIOMode,
)
from tests.engine.tensorrt.fake_network import (
    DataType,
    ILayer,
    INetworkDefinition,
    IOptimizationProfile,
    ITensor,
    OnnxParser,
    ParserError,
)

VERSIONS = ("8.6.0", "10.16.1.11", "11.4.0.106")


class ILogger:
    Severity = enum.Enum("Severity", "INTERNAL_ERROR ERROR WARNING INFO VERBOSE")

    def log(self, severity, msg): ...


class IProgressMonitor:
    def phase_start(self, phase_name, parent_phase, num_steps): ...
    def step_complete(self, phase_name, step): ...
    def phase_finish(self, phase_name): ...


class Runtime:
    def __init__(self, trt, logger):
        self._trt = trt

    def deserialize_cuda_engine(self, serialized_engine):
        try:
            plan = json.loads(serialized_engine)
        except ValueError:
            return self._trt._say("Magic tag does not match.")
        if plan["where"] != self._trt._where:
            return self._trt._say("The engine plan file is not compatible with this version.")
        return (OldEngine if self._trt.major == 8 else NewEngine)(self._trt, plan)


class FakeTensorRT:
    """The module. driver: a FakeDriver. where: the GPU, as far as plans and timings know it.

    builds: what was asked of each build. ran: rows of each run. drift: of the features that the
    fp16 flag makes. refuses_to_start, refuses_to_build: what it says. refuses_to_run,
    refuses_capture: an enqueue, ever or while its stream captures.
    """

    def __init__(self, driver, version=VERSIONS[-1], where="here"):
        self.__version__, self.major = version, int(version.split(".")[0])
        self.builds, self.ran, self.drift = [], [], 0.0
        self.refuses_to_start = self.refuses_to_build = ""
        self.refuses_to_run = self.refuses_capture = False
        self._driver, self._where = driver, f"{where} {version}"
        self._timings = f"timings of {self._where}".encode()
        self.__dict__.update(surface(version))

    def Builder(self, logger):  # noqa: N802
        return self._started(Builder, logger)

    def Runtime(self, logger):  # noqa: N802
        return self._started(Runtime, logger)

    def _started(self, kind, logger):
        self._driver.require_current()
        self._logger = logger
        if self.refuses_to_start:
            self._say(self.refuses_to_start)
            raise TypeError("pybind11::init(): factory function returned nullptr")
        return kind(self, logger)

    def _say(self, words):
        self._logger.log(ILogger.Severity.ERROR, words)


def surface(version):
    """Every class and enumeration of a version that is used, by name, but Builder and Runtime."""
    major = int(version.split(".")[0])
    flags = ("TF32",) if major == 11 else ("TF32", "FP16", "INT8")
    kinds = {8: ("EXPLICIT_BATCH",), 10: ("EXPLICIT_BATCH", "STRONGLY_TYPED")}
    found = {
        "BuilderFlag": enum.IntEnum("BuilderFlag", flags),
        "NetworkDefinitionCreationFlag": enum.IntEnum(
            "NetworkDefinitionCreationFlag", kinds.get(major, ("STRONGLY_TYPED",)), start=0
        ),
        "MemoryPoolType": enum.Enum("MemoryPoolType", "WORKSPACE"),
        "ICudaEngine": OldEngine if major == 8 else NewEngine,
        "IExecutionContext": OldContext if major == 8 else NewContext,
        "IBuilderConfig": IBuilderConfig if major == 8 else NewConfig,
    }
    plain = (DataType, TensorIOMode, ILogger, ITensor, ILayer, INetworkDefinition, ParserError)
    for each in (*plain, OnnxParser, IOptimizationProfile, ITimingCache):
        found[each.__name__] = each
    if major > 8:
        found["IProgressMonitor"] = IProgressMonitor
        found["ExecutionContextAllocationStrategy"] = ExecutionContextAllocationStrategy
    return found
