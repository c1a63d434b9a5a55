"""How many cameras a machine holds: what one costs, measured, and the arithmetic behind it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from engine.arrays import U8
from engine.recogniser import Recogniser, Sample
from engine.sight import Eyes
from stream.processes.capture_processes import ALONE_AT_MOST

STEPS_S = 1.0  # how long each batch size is measured
FEWEST_STEPS = 3
FRAMES_OF = (1, 16)  # cameras, whose frames are measured together: beyond, a GPU gains less
# Of the one core that the daemon's interpreter runs on, where other processes capture:
# docs/results.md, "What the interpreter costs".
INTERPRETER_FRAME_MS, INTERPRETER_PREDICTION_MS = 0.1, 0.4


@dataclass(frozen=True, slots=True)
class Sent:
    """What a source sends: its rate by its own timestamps, its delay where it has a clock.

    decode_ms: of one core, per frame.
    """

    fps: float
    delay_ms: float | None
    decode_ms: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What the path costs here.

    sample_ms: of one core, per frame; apart_ms: the same, where another process captures, if it has
    more to do. step_ms: of the whole engine, per prediction, by batch size.
    frame_ms: of the engine, per frame, by how many cameras share it; empty where frames are the
    cores' affair alone.
    """

    sample_ms: float
    step_ms: Mapping[int, float]
    frame_ms: Mapping[int, float] = field(default_factory=dict)
    apart_ms: float = 0.0

    def frame_ms_of(self, cameras: int) -> float:
        """Of the engine, where so many cameras share it."""
        largest = max((n for n in self.frame_ms if n <= cameras), default=0)
        return self.frame_ms.get(largest, 0.0)


def cameras_held(
    sent: Sent,
    cost: Cost,
    *,
    cores: int,
    prediction_hz: float,
    on_cores: bool,
    alone_at_most: int = ALONE_AT_MOST,
) -> float:
    """How many such sources keep the machine just busy, in batches that so many can fill.

    on_cores: the engine computes on the cores that the sources need, too; else beside them.
    alone_at_most: where there are more of them, other processes capture.
    """
    held = 0.0
    capture_ms = (sent.decode_ms + cost.sample_ms) * sent.fps / cores  # in a second, of all cores
    for size, step_ms in cost.step_ms.items():
        engine_ms = step_ms * prediction_hz + cost.frame_ms_of(size) * sent.fps
        busy_ms = capture_ms + engine_ms if on_cores else max(capture_ms, engine_ms)
        if size == min(cost.step_ms) or 1000 / busy_ms >= size:
            held = max(held, 1000 / busy_ms)
    if held > alone_at_most and cost.apart_ms > cost.sample_ms:
        apart = replace(cost, sample_ms=cost.apart_ms)
        held = cameras_held(
            sent, apart, cores=cores, prediction_hz=prediction_hz, on_cores=on_cores
        )
        return max(alone_at_most, held)
    return held


def cameras_of_one_daemon(sent: Sent, prediction_hz: float) -> float:
    """How many such sources keep one daemon's interpreter just busy, on whatever machine.

    It runs one thread at a time, so that neither cores nor a GPU help; what other processes
    capture is still to be taken from them.
    """
    return 1000 / (INTERPRETER_FRAME_MS * sent.fps + INTERPRETER_PREDICTION_MS * prediction_hz)


def measure_steps(recogniser: Recogniser, sample: Sample) -> dict[int, float]:
    """Milliseconds a prediction, by the batch sizes that the engine has."""
    return {size: _measure_step(recogniser, sample, size) for size in recogniser.batches}


def _measure_step(recogniser: Recogniser, sample: Sample, size: int) -> float:
    batch = [replace(sample, camera=f"camera {number}") for number in range(size)]
    recogniser.step(batch)  # the first one allocates
    began_ns, steps = time.monotonic_ns(), 0
    while steps < FEWEST_STEPS or time.monotonic_ns() - began_ns < STEPS_S * 1e9:
        recogniser.step(batch)
        steps += 1
    took_ms = (time.monotonic_ns() - began_ns) / 1e6
    for each in batch:
        recogniser.forget(each.camera)
    return took_ms / steps / size


def measure_frames(eyes: Eyes, picture: U8, *, with_flow: bool) -> dict[int, float]:
    """Milliseconds of the device a frame like this [H,W,3], by how many cameras share it."""
    return {n: _measure_frames(eyes, picture, n, with_flow) for n in FRAMES_OF}


def _measure_frames(eyes: Eyes, picture: U8, cameras: int, with_flow: bool) -> float:
    size = picture.shape[1], picture.shape[0]
    sights = [eyes.open(size, None, lambda: None) for _ in range(cameras)]
    took_ns, steps = 0, -1  # the first one has no flow
    while steps < FEWEST_STEPS or took_ns < STEPS_S * 1e9:
        for sight in sights:
            sight.add(steps + 1, picture, with_flow=with_flow)
        began_ns = time.monotonic_ns()
        eyes.take_in()
        eyes.wait()
        took_ns += (time.monotonic_ns() - began_ns) if steps >= 0 else 0
        steps += 1
    for sight in sights:
        sight.close()
    eyes.take_in()  # and part from them
    return took_ns / 1e6 / steps / cameras
