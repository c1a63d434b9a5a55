"""`gesta check`: what this machine has, what a URL gives, and how many such cameras fit."""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from engine.machine import describe_machine
from stream.agreement import measure_agreement
from stream.capacity import (
    Cost,
    Sent,
    cameras_held,
    cameras_of_one_daemon,
    measure_frames,
    measure_steps,
)
from stream.configuration.config import CameraConfig, Config
from stream.errors import Reason, SourceError
from stream.frame import SourceFrame
from stream.opening import Engine, Opening, check_decoder, open_bundle, progress_on_stderr
from stream.processes.capture_processes import ALONE_AT_MOST, processes_for
from stream.processes.distant_sight import DistantEyes
from stream.samples import StreamSample
from stream.sources.codecs import decodable
from stream.sources.open import open_source
from stream.sources.source import Decoder, Source, SourceOptions, StreamInfo
from stream.version import versions

RATE_S, SAMPLING_S = 3.0, 2.0  # how long each measurement lasts
PATIENCE = 5  # times as long, where hardly anything has come
WARM_UP = 5  # the first calls allocate
FEWEST_FRAMES = 2 * WARM_UP
SLOW_SHARE = 0.6  # a camera below this share of the grid's rate mostly repeats frames

Result = TypeVar("Result")


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
    check_decoder(config.decoder)
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
            sent = _interruptibly(lambda: _measure_source(camera, config.decoder))
            _say_source(sent, manifest.grid_fps)
        cost, rgb_cost = _interruptibly(lambda: measure_costs(camera, opening, engine))
        _say_cost(sent, cost, engine, opens_url=opens_url)
        _say_capacity(sent, cost, opening, engine, config.decoder)
        if config.rgb_when_overloaded:
            held = _held(sent, rgb_cost, opening, engine, config.decoder)
            _say("", f"{int(held)} with RGB alone, which is how too many are looked at")
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


def _measure_source(camera: CameraConfig, decoder: Decoder) -> Sent:
    """Reads without recognising, so that the model's slowness loses no frame."""
    source = _source(camera, decoder)
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


def measure_costs(camera: CameraConfig, opening: Opening, engine: Engine) -> tuple[Cost, Cost]:
    """Of both streams, and of RGB alone: frames through a sampler, what came through the engine."""
    samplers = [
        opening.open_sampler(camera, eyes=engine.eyes),
        opening.open_sampler(camera, eyes=engine.eyes, wants_flow=lambda: False),
    ]
    if engine.eyes is not None:  # where another process captures, it resizes, too
        apart = DistantEyes(opening.manifest.resize, lambda call: None)  # noqa: ARG005
        samplers.append(opening.open_sampler(camera, eyes=apart))
    sample_ms: list[list[float]] = [[] for _ in samplers]
    newest: dict[int, StreamSample] = {}
    source = _source(camera)
    try:
        source.open()
        frames = source.frames()
        with _measuring(SAMPLING_S) as goes_on:
            while goes_on(len(sample_ms[0])) and (frame := next(frames, None)) is not None:
                frame = _drawn(frame)  # decoding is counted by itself
                image = frame.image
                for i, sampler in enumerate(samplers):
                    before_ns = time.thread_time_ns()
                    samples = sampler.push(frame)
                    sample_ms[i].append((time.thread_time_ns() - before_ns) / 1e6)
                    engine.recogniser.take_in()
                    if samples:
                        newest[i] = samples[-1]
    finally:
        source.close()
    if len(sample_ms[0]) < FEWEST_FRAMES or not newest:
        raise SourceError(Reason.TIMEOUT, _too_few(camera, len(sample_ms[0])))
    both, alone = (
        Cost(
            sample_ms=statistics.mean(sample_ms[i][WARM_UP:]),
            step_ms=measure_steps(engine.recogniser, newest[i].sample),
            frame_ms={}
            if engine.eyes is None or camera.explain
            else measure_frames(engine.eyes, image(), with_flow=i == 0),
            apart_ms=0.0 if engine.eyes is None else statistics.mean(sample_ms[2][WARM_UP:]),
        )
        for i in range(2)
    )
    return both, alone


def _source(camera: CameraConfig, decoder: Decoder = "cpu") -> Source:
    return open_source(camera.url, SourceOptions(transport=camera.transport, decoder=decoder))


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


def _say_cost(sent: Sent, cost: Cost, engine: Engine, *, opens_url: bool) -> None:
    decoding = f"{sent.decode_ms:.1f} ms to decode, " if opens_url else ""
    what = "to hand it to the accelerator" if cost.frame_ms else "to resize and for flow"
    _say("cost", f"{decoding}{cost.sample_ms:.1f} ms {what} (one core, per frame)")
    if cost.frame_ms:
        alone, many = min(cost.frame_ms), max(cost.frame_ms)
        _say(
            "",
            f"{cost.frame_ms[alone]:.2f} ms to resize and for flow, {cost.frame_ms[many]:.2f} ms"
            f" with {many} cameras (the accelerator, per frame)",
        )
    one, largest = min(cost.step_ms), max(cost.step_ms)
    batches = f", {cost.step_ms[largest]:.1f} ms in batches of {largest}" if largest > one else ""
    where = "all cores" if _is_on_cores(engine) else "the accelerator"
    _say("", f"{cost.step_ms[one]:.1f} ms for both streams{batches} ({where}, per prediction)")


def _say_capacity(
    sent: Sent, cost: Cost, opening: Opening, engine: Engine, decoder: Decoder
) -> None:
    cameras = _held(sent, cost, opening, engine, decoder)
    without = "" if sent.decode_ms else "; decoding comes on top: give a URL to count it"
    if decoder == "cuda":
        without += "; what the GPU's own decoding unit holds is not counted"
    _say(
        "holds",
        f"{int(cameras)} such cameras of {sent.fps:.0f} fps"
        f" ({cameras:.1f} by arithmetic, while nothing else runs{without})",
    )
    of_one = int(cameras_of_one_daemon(sent, opening.manifest.prediction_hz))
    fit = min(int(cameras), of_one)
    if processes := processes_for(fit, describe_machine().cores, decoder):
        what = "1 process" if processes == 1 else f"{processes} processes"
        _say("", f"so many are captured in {what} beside the daemon's own")
    if int(cameras) > of_one:
        _say(
            "",
            f"{of_one} of them at most by one daemon, whose Python runs one thread at a time; run"
            " several for more, each with its own node, publish, http and events.store",
        )
    if cameras < 1:
        slow = _is_on_cores(engine) and engine.graphs.precision == "fp32"
        faster = [each for each in ("bf16", "int8") if slow and opening.bundle.offers(each)]
        precisions = "".join(f" or --precision {each}" for each in faster)
        _say(
            "warning",
            "this machine is too slow for one: what is left out then, messages will say;"
            f" try a smaller stream of the camera, a smaller bundle{precisions}",
        )


def _held(sent: Sent, cost: Cost, opening: Opening, engine: Engine, decoder: Decoder) -> float:
    return cameras_held(
        sent,
        cost,
        cores=describe_machine().cores,
        prediction_hz=opening.manifest.prediction_hz,
        on_cores=_is_on_cores(engine),
        alone_at_most=0 if decoder == "cuda" else ALONE_AT_MOST,
    )


def _is_on_cores(engine: Engine) -> bool:
    return engine.graphs.device == "cpu"


def _say(key: str, text: str) -> None:
    sys.stdout.write(f"{key:<9} {text}\n")
    sys.stdout.flush()
