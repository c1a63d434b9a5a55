"""The builder's part of the stand-in for TensorRT (`fake_tensorrt`)."""

import base64
import json
from dataclasses import dataclass

from tests.engine.tensorrt.fake_network import INetworkDefinition, IOptimizationProfile


class ITimingCache:
    def __init__(self, text):
        self._text = text

    def serialize(self):
        return self._text


class IBuilderConfig:
    def __init__(self, trt):
        self._trt, self._profiles = trt, []
        self._flags, self._workspace_bytes = {trt.BuilderFlag.TF32}, None

    def set_memory_pool_limit(self, pool, pool_size):
        self._workspace_bytes = pool_size

    def set_flag(self, flag):
        self._flags.add(flag)

    def clear_flag(self, flag):
        self._flags.remove(flag)

    def add_optimization_profile(self, profile):
        self._profiles.append(profile._shapes)
        return len(self._profiles) - 1

    def create_timing_cache(self, serialized_timing_cache):
        return ITimingCache(bytes(serialized_timing_cache))

    def set_timing_cache(self, cache, ignore_mismatch):
        mine = cache._text in (b"", self._trt._timings)
        if not mine:
            self._trt._say("the timing cache is of another device")
        cache._text = self._trt._timings  # what it holds after the build
        return mine or ignore_mismatch


class NewConfig(IBuilderConfig):
    """Of 10 and 11."""

    progress_monitor = None


@dataclass
class Build:
    """What a plan was built with."""

    typed: bool
    flags: list
    batches: list
    workspace_bytes: int


class Builder:
    def __init__(self, trt, logger):
        self._trt = trt

    def create_network(self, flags=0):
        kinds = self._trt.NetworkDefinitionCreationFlag
        typed = hasattr(kinds, "STRONGLY_TYPED") and flags >> int(kinds.STRONGLY_TYPED) & 1
        return INetworkDefinition(bool(typed or self._trt.major == 11))

    def create_builder_config(self):
        return (IBuilderConfig if self._trt.major == 8 else NewConfig)(self._trt)

    def create_optimization_profile(self):
        return IOptimizationProfile()

    def build_serialized_network(self, network, config):
        trt, flags = self._trt, sorted(flag.name for flag in config._flags)
        assert not (network._typed and flags), "a typed network takes no flag of precision"
        batches = [next(iter(shapes.values()))[0] for shapes in config._profiles]
        trt.builds.append(Build(network._typed, flags, batches, config._workspace_bytes))
        if trt.refuses_to_build:
            return trt._say(trt.refuses_to_build)
        if getattr(config, "progress_monitor", None) is not None:
            _tell(config.progress_monitor)
        plan = {
            "where": trt._where,
            "model": base64.b64encode(network._model).decode(),
            "profiles": config._profiles,
            "drift": trt.drift if "FP16" in flags else 0,
        }
        return json.dumps(plan).encode()


def _tell(monitor):
    monitor.phase_start("Building Engine", None, 4)
    monitor.phase_start("Timing Graph Nodes", "Building Engine", 2)
    for step in range(4):
        monitor.step_complete("Timing Graph Nodes", step % 2)
        assert monitor.step_complete("Building Engine", step)
    monitor.phase_finish("Timing Graph Nodes")
    monitor.phase_finish("Building Engine")
