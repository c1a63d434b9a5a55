"""`gesta run`: makes the daemon's parts, runs it, and stops it when asked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event

from engine.machine import describe_machine
from engine.recogniser import Recogniser
from stream.batching import Batcher
from stream.cameras import Cameras, check_sources
from stream.capture import CaptureThread
from stream.capturing import Capture
from stream.configuration.config import CameraConfig, Config
from stream.configuration.reload import Reload
from stream.daemon import BEAT_EVERY_S, Daemon
from stream.errors import SourceError
from stream.events.rule import check_labels
from stream.inbox import Inbox
from stream.inference import InferenceThread
from stream.messaging.envelope import Envelope
from stream.messaging.messages import BundleFacts, CameraFacts, GridFacts, Message, Meta, Model
from stream.messaging.writer import Writer
from stream.opening import Engine, Opening, check_decoder, open_bundle, progress_on_stderr
from stream.operations.ledger import Ledger
from stream.outside import Outside, opened_outside
from stream.processes.capture_processes import CaptureProcesses, processes_for
from stream.processes.orders import Begin
from stream.samples import SampleQueue, queue_capacity
from stream.screen import ScreenThread, Terminal
from stream.shedding import Shedding
from stream.sights import Sights
from stream.sources.open import open_source
from stream.sources.source import SourceOptions
from stream.version import version, versions

POLL_S = 0.1

_log = logging.getLogger(__name__)


def run(reload: Reload, *, stop: Event, show: bool) -> None:
    """Watches the cameras until `stop` is set, or until every source has ended.

    Args:
        reload: with the configuration to begin with; says when there is another one.
        stop: set by a signal's handler; may be set at any time, before the start as well.
        show: draw the live table on stdout, too.

    Raises:
        ConfigError: a source's URL can't be right, or the bundle lacks a rule's label, or the
            attention that is to be drawn.
        StoreError: the event store can't be opened.
        PublishError: the endpoint, or the HTTP side's, can't be had.
        EngineError: the bundle or the engine fails.
        SourceError: every source has ended, and one of them not as it should.
    """
    config = reload.config
    opening = open_bundle(config)
    check_labels(config.rules, opening.manifest.classes, opening.manifest.name)
    if config.evidence is not None and config.evidence.attention:
        opening.check_attention()
    check_sources(config.cameras)
    check_decoder(config.decoder)
    inbox = Inbox()
    with opened_outside(config, opening, inbox) as outside:
        wakeup = Event()
        batcher = Batcher({}, wakeup=wakeup)
        shedding = Shedding(rgb_alone=config.rgb_when_overloaded)
        sights = Sights(opening.manifest, opening.flow_entry, opening.open_flow, wakeup.set)
        with _capture_processes(config, opening, shedding) as processes:
            make = _make_capture(opening, sights, outside, inbox, wakeup, shedding, processes)
            cameras = Cameras(make, batcher, shedding)
            for camera in config.cameras:
                cameras.add(camera)
            daemon = _daemon(
                reload, opening, sights, outside, inbox, cameras, batcher, stop, processes
            )
            if daemon is not None:
                with _screen(show) as daemon.show:
                    daemon.run()
    if daemon is not None and not stop.is_set():
        _report_ends(cameras)


def _capture_processes(config: Config, opening: Opening, shedding: Shedding) -> CaptureProcesses:
    number = config.capture_processes
    if number is None:
        number = processes_for(len(config.cameras), describe_machine().cores, config.decoder)
    begin = Begin(
        manifest=opening.manifest,
        decoder=config.decoder,
        flow=opening.flow,
        flow_entry=opening.flow_entry,
        flow_device=opening.flow_device,
        log_level=logging.getLogger().level,
    )
    return CaptureProcesses(number, begin, shedding.wants_flow)


def _make_capture(
    opening: Opening,
    sights: Sights,
    outside: Outside,
    inbox: Inbox,
    wakeup: Event,
    shedding: Shedding,
    processes: CaptureProcesses,
) -> Callable[[CameraConfig, int], tuple[Capture, SampleQueue]]:
    capacity = queue_capacity(opening.manifest.prediction_hz)

    def make(camera: CameraConfig, epoch: int) -> tuple[Capture, SampleQueue]:
        realtime = bool(camera.realtime)
        source = open_source(camera.url, SourceOptions(realtime=realtime))  # made, not opened
        queue = SampleQueue(capacity, live=source.live or realtime, wakeup=wakeup.set)
        packets = None if outside.evidence is None else outside.evidence.packets[camera.name]
        if processes and queue.live:  # a file is read as fast as it is looked at, in this process
            remote = processes.capture(
                camera,
                queue=queue,
                on_status=inbox.put,
                epoch=epoch,
                open_sight=lambda: sights.of_scaled(camera),
                packets=packets,
            )
            return remote, queue
        thread = CaptureThread(
            camera,
            manifest=opening.manifest,
            open_sight=sights.opener(camera),
            queue=queue,
            on_status=inbox.put,
            wants_flow=shedding.wants_flow,
            packets=packets,
            turns=sights.turns,
            epoch=epoch,
        )
        return thread, queue

    return make


def _daemon(
    reload: Reload,
    opening: Opening,
    sights: Sights,
    outside: Outside,
    inbox: Inbox,
    cameras: Cameras,
    batcher: Batcher,
    stop: Event,
    processes: CaptureProcesses,
) -> Daemon | None:
    """The daemon with its engine open; None where it was asked to stop first."""
    config = reload.config
    engine: Engine | None = None

    def open_recogniser() -> Recogniser:
        nonlocal engine
        engine = opening.open_engine(config, say)
        sights.eyes = engine.eyes
        return engine.recogniser

    inference = InferenceThread(open_recogniser=open_recogniser, batcher=batcher, deliver=inbox.put)
    with progress_on_stderr() as say:
        inference.start()
        _wait_until_opened(inference, stop, outside.ledger)
    if engine is None:
        return None
    envelope = Envelope(config.site, config.node)
    model = opening.model(engine.graphs)
    _log.info(
        "gesta %s watches %s with bundle %s on %s %s, flow %s; published on %s",
        version(), ", ".join(cameras.monitors), model.bundle, model.runner, model.precision,
        model.flow, outside.publisher.endpoint,
    )  # fmt: skip
    return Daemon(
        stop=stop,
        cameras=cameras,
        inference=inference,
        inbox=inbox,
        envelope=envelope,
        writer=Writer(
            envelope=envelope, manifest=opening.manifest, model=model, clock_ns=time.monotonic_ns
        ),
        outside=outside,
        reload=reload,
        meta=lambda config: _meta(config, opening, model, envelope),
        other_processes=lambda: processes.pids,
    )


@contextmanager
def _screen(show: bool) -> Iterator[Callable[[Message], None]]:
    """What draws each message, where it was asked for."""
    if not show:
        yield lambda message: None  # noqa: ARG005
        return
    screen = ScreenThread(Terminal())
    screen.start()
    try:
        yield screen.show
    finally:
        screen.stop(timeout_s=0.5)


def _wait_until_opened(inference: InferenceThread, stop: Event, ledger: Ledger) -> None:
    """Returns early where it is asked to stop. Raises what opening raised."""
    while not inference.opened.wait(POLL_S):
        ledger.turned()
        if stop.is_set():
            inference.stop()
            return
    if inference.failure is not None:
        raise inference.failure


def _report_ends(cameras: Cameras) -> None:
    """Raises where a source ended with a reason: the user should not take it for a success."""
    for monitor in cameras.monitors.values():
        if monitor.reason is not None:
            raise SourceError(monitor.reason, f"{monitor.name}: {monitor.detail}")
        if monitor.state != "ended":
            raise RuntimeError(f"{monitor.name}: {monitor.detail}")


def _meta(config: Config, opening: Opening, model: Model, envelope: Envelope) -> Meta:
    manifest = opening.manifest
    return Meta(
        **envelope.fields("meta"),
        classes=manifest.classes,
        bundle=BundleFacts(
            name=manifest.name,
            version=manifest.version,
            sha256=opening.bundle.sha256,
            backbone=manifest.backbone,
            licence=manifest.licence,
        ),
        grid=GridFacts(
            grid_fps=manifest.grid_fps,
            sample_every=manifest.sample_every,
            window_samples=manifest.window_samples,
            window_s=manifest.window_s,
            prediction_hz=manifest.prediction_hz,
        ),
        rules=tuple(rule.name for rule in config.rules if rule.enabled),
        cameras=tuple(
            CameraFacts(camera=camera.name, url=camera.masked_url) for camera in config.cameras
        ),
        model=model,
        heartbeat_interval_s=BEAT_EVERY_S,
        versions=versions(),
    )
