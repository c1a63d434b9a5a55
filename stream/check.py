"""`gesta check`: what this machine has, what a URL gives, and how many such cameras fit."""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from engine.machine import describe_machine
from stream.agreement import measure_agreement
from stream.configuration.config import CameraConfig, Config
from stream.errors import Reason, SourceError
from stream.frame import SourceFrame
from stream.opening import Engine, Opening, open_bundle, progress_on_stderr
from stream.sampler import Sampler
from stream.sources.codecs import decodable
from stream.sources.open import open_source
from stream.sources.source import Source, SourceOptions, StreamInfo
from stream.version import versions

RATE_S, COST_S = 3.0, 4.0  # how long each measurement lasts
PATIENCE = 5  # times as long, where hardly anything has come
WARM_UP = 5  # the first calls allocate
FEWEST_FRAMES = 2 * WARM_UP
SLOW_SHARE = 0.6  # a camera below this share of the grid's rate mostly repeats frames

Result = TypeVar("Result")


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
    """What the path costs here: sample_ms of one core per frame, step_ms of all per prediction."""

    sample_ms: float
    step_ms: float


def cameras_held(sent: Sent, cost: Cost, *, cores: int, prediction_hz: float) -> float:
    """How many such sources keep so many cores just busy."""
    capture_ms = (sent.decode_ms + cost.sample_ms) * sent.fps
    inference_ms = cost.step_ms * prediction_hz * cores
    return 1000 * cores / (capture_ms + inference_ms)


def check(config: Config, *, opens_url: bool, clips: Path | None = None) -> None:
    """Prints what it finds, line by line.

    Args:
        opens_url: the configuration's last source is the user's; otherwise a scene stands in.
        clips: a folder of videos on which to compare the engine's precision with fp32, in place of
            measuring what this machine holds.

    Raises:
        EngineError: the bundle or the engine fails.
        SourceError: the URL can't be opened, or nothing comes from it.
    """
    _say_machine()
    opening = open_bundle(config)
    manifest = opening.manifest
    _say(
        "bundle",
        f"{manifest.name} {manifest.version}: {manifest.backbone}, {len(manifest.classes)} classes,"
        f" {manifest.grid_fps:g} frames and {manifest.prediction_hz:g} predictions a second,"
        f" window {manifest.window_s:g} s",
    )
    with progress_on_stderr() as say:
        engine = opening.open_engine(config, say)
    try:
        _say(
            "engine",
            f"{engine.graphs.engine} on {engine.graphs.device} in {engine.graphs.precision}"
            f" passes the bundle's check; flow {opening.flow}",
        )
        if clips is not None:
            _say_agreement(clips, opening, engine)
            return
        camera = config.cameras[-1]
        sent = Sent(manifest.grid_fps, None, 0.0)
        if opens_url:
            sent = _interruptibly(lambda: _measure_source(camera))
            _say_source(sent, manifest.grid_fps)
        sampler = opening.open_sampler(camera)
        cost = _interruptibly(lambda: _measure_cost(camera, sampler, engine))
        _say_cost(sent, cost, opens_url=opens_url)
        slow = (engine.graphs.device, engine.graphs.precision) == ("cpu", "fp32")
        faster = [each for each in ("bf16", "int8") if slow and opening.bundle.offers(each)]
        _say_capacity(sent, cost, manifest.prediction_hz, faster)
    finally:
        engine.graphs.close()


def _say_agreement(clips: Path, opening: Opening, engine: Engine) -> None:
    with progress_on_stderr() as say:
        agreement = _interruptibly(lambda: measure_agreement(clips, opening, engine, say))
    _say("agrees", f"in {engine.graphs.precision}, {agreement}")


def _interruptibly(work: Callable[[], Result]) -> Result:
    """Does the work in a thread: as long as FFmpeg waits for a camera, Python hears no Ctrl-C.

    An interruption leaves the thread behind; by its name it is known as one that can't be ended.
    """
    done: Future[Result] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001  raised again in the thread that waits
            done.set_exception(error)

    threading.Thread(target=run, name="capture:check", daemon=True).start()
    return done.result()


def _measure_source(camera: CameraConfig) -> Sent:
    """Reads without recognising, so that the model's slowness loses no frame."""
    source = _source(camera)
    pts_ns: list[int] = []
    spent_ms: list[float] = []
    delays_ms: list[float] = []
    started_s = time.monotonic()
    try:
        info = source.open()
        _say("source", f"{camera.masked_url} opens in {time.monotonic() - started_s:.1f} s")
        _say("", _describe(info))
        frames = source.frames()
        with _measuring(RATE_S) as goes_on:
            while goes_on(len(pts_ns)):
                before_ns = time.process_time_ns()  # of all threads: FFmpeg decodes in its own
                frame = next(frames, None)
                if frame is None:
                    break
                frame.image()
                spent_ms.append((time.process_time_ns() - before_ns) / 1e6)
                pts_ns.append(frame.pts_ns)
                if frame.clock == "rtcp":
                    delays_ms.append((time.time_ns() - frame.captured_at_ns) / 1e6)
    finally:
        source.close()
    if len(pts_ns) < FEWEST_FRAMES or pts_ns[-1] == pts_ns[0]:
        raise SourceError(Reason.TIMEOUT, _too_few(camera, len(pts_ns)))
    return Sent(
        fps=(len(pts_ns) - 1) * 1e9 / (pts_ns[-1] - pts_ns[0]),
        delay_ms=statistics.median(delays_ms) if delays_ms else None,
        decode_ms=statistics.mean(spent_ms[WARM_UP:]),
    )


def _measure_cost(camera: CameraConfig, sampler: Sampler, engine: Engine) -> Cost:
    """Sends frames through the whole path, one after another."""
    source = _source(camera)
    sample_ms: list[float] = []
    step_ms: list[float] = []
    try:
        source.open()
        frames = source.frames()
        with _measuring(COST_S) as goes_on:
            while goes_on(len(sample_ms)) and (frame := next(frames, None)) is not None:
                frame = _drawn(frame)  # decoding is counted by itself
                before_ns = time.thread_time_ns()
                samples = sampler.push(frame)
                sample_ms.append((time.thread_time_ns() - before_ns) / 1e6)
                for sample in samples:
                    before_ns = time.monotonic_ns()  # a step keeps every core busy
                    engine.recogniser.step([sample.sample])
                    step_ms.append((time.monotonic_ns() - before_ns) / 1e6)
    finally:
        source.close()
    if len(sample_ms) < FEWEST_FRAMES or not step_ms:
        raise SourceError(Reason.TIMEOUT, _too_few(camera, len(sample_ms)))
    return Cost(
        sample_ms=statistics.mean(sample_ms[WARM_UP:]),
        step_ms=statistics.mean(step_ms[min(WARM_UP, len(step_ms) - 1) :]),
    )


def _source(camera: CameraConfig) -> Source:
    return open_source(camera.url, SourceOptions(transport=camera.transport))


@contextmanager
def _measuring(for_s: float) -> Iterator[Callable[[int], bool]]:
    """Yields what tells, from the number of frames so far, whether to go on."""
    began_s = time.monotonic()

    def goes_on(frames: int) -> bool:
        allowed_s = for_s if frames >= FEWEST_FRAMES else PATIENCE * for_s
        return time.monotonic() - began_s < allowed_s

    with progress_on_stderr() as say:
        say(f"measuring for {for_s:g} s")
        yield goes_on


def _too_few(camera: CameraConfig, frames: int) -> str:
    return (
        f"{camera.masked_url} opens, but gives only {frames} pictures;"
        " check the camera, or give a longer file"
    )


def _drawn(frame: SourceFrame) -> SourceFrame:
    picture = frame.image()
    return replace(frame, image=lambda: picture)


def _say_machine() -> None:
    machine, installed = describe_machine(), versions()
    _say("machine", f"{machine.cpu}, {machine.cores} cores ({', '.join(machine.features)})")
    _say("gpu", f"NVIDIA driver {machine.nvidia_driver}" if machine.nvidia_driver else "none")
    _say("engines", f"OpenVINO {machine.openvino}, TensorRT {machine.tensorrt or 'not installed'}")
    _say("video", f"PyAV {installed['av']}, decodes {', '.join(decodable())}")


def _describe(info: StreamInfo) -> str:
    rate = f"{info.fps:g} fps announced" if info.fps else "no rate announced"
    return f"{info.codec} {info.width}x{info.height}, {rate}, over {info.transport}"


def _say_source(sent: Sent, grid_fps: float) -> None:
    delay = (
        "delay unknown (the source sends no clock)"
        if sent.delay_ms is None
        else f"delay {sent.delay_ms:.0f} ms by the camera's own clock"
    )
    _say("", f"{sent.fps:.1f} fps measured, {delay}")
    if sent.fps < SLOW_SHARE * grid_fps:
        _say(
            "warning",
            f"the source is much slower than the bundle's {grid_fps:g} fps, so most frames will be"
            " repeated and accuracy falls; raise the camera's rate, or use a slower bundle",
        )


def _say_cost(sent: Sent, cost: Cost, *, opens_url: bool) -> None:
    decoding = f"{sent.decode_ms:.1f} ms to decode, " if opens_url else ""
    _say("cost", f"{decoding}{cost.sample_ms:.1f} ms to resize and for flow (one core, per frame)")
    _say("", f"{cost.step_ms:.1f} ms for both streams (all cores, per prediction)")


def _say_capacity(sent: Sent, cost: Cost, prediction_hz: float, faster: Sequence[str]) -> None:
    cores = describe_machine().cores
    cameras = cameras_held(sent, cost, cores=cores, prediction_hz=prediction_hz)
    without = "" if sent.decode_ms else "; decoding comes on top: give a URL to count it"
    _say(
        "holds",
        f"{int(cameras)} such cameras of {sent.fps:.0f} fps"
        f" ({cameras:.1f} by arithmetic, while nothing else runs{without})",
    )
    if cameras < 1:
        precisions = "".join(f" or --precision {each}" for each in faster)
        _say(
            "warning",
            "this machine is too slow for one: samples will be shed, and messages will say so;"
            f" try a smaller stream of the camera, a smaller bundle{precisions}",
        )


def _say(key: str, text: str) -> None:
    sys.stdout.write(f"{key:<9} {text}\n")
    sys.stdout.flush()
