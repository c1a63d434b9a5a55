"""The daemon's main thread: publishes what the others find, supervises them, beats the heart."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import psutil

from stream.cameras import Cameras, check_sources
from stream.configuration.config import Config
from stream.configuration.reload import Reload
from stream.configuration.revision import Revision
from stream.errors import StreamError
from stream.events.desk import Change
from stream.events.evidence import EvidenceReady
from stream.inbox import CAPACITY, Inbox
from stream.inference import InferenceThread, Recognised
from stream.messaging.envelope import Envelope
from stream.messaging.messages import Heartbeat, Memory, Message, Meta, Status
from stream.messaging.topics import BY_KIND
from stream.messaging.writer import Writer
from stream.outside import Outside
from stream.status import StatusChange
from stream.status_log import StatusLog

POLL_S = 0.02  # how long a subscriber's request may wait while nothing else happens
STOP_S = 0.9  # for the threads to end; the last words then get up to half a second more
EVIDENCE_S = 1.5  # for evidence that is still to be written then
BEAT_EVERY_S = 1 / (BY_KIND["heartbeat"].expected_hz or 1.0)
EXPLAIN_EVERY_S = 1 / (BY_KIND["explain"].expected_hz or 1.0)

_log = logging.getLogger(__name__)


class Daemon:
    """Runs until `stop` is set, every source has ended, or the engine fails.

    Its parts are made outside; it starts the captures and stops everything. The thread that runs it
    is the one that made the publisher.

    Args:
        stop: set by a signal handler, say.
        cameras: those that it begins with.
        inference: started, and opened without failure.
        inbox: where captures and inference put what they have.
        writer: of predictions, explanations and events.
        outside: subscribers, events, operators: opened, and closed by whoever opened it.
        reload: knows when the configuration is another one.
        meta: makes the meta message of a configuration.
        other_processes: ids of those that work for it, whose memory counts.

    Attributes:
        show: what else is done with each message sent, such as drawing it.
        abandoned: the threads that did not end in time.
    """

    def __init__(
        self,
        *,
        stop: threading.Event,
        cameras: Cameras,
        inference: InferenceThread,
        inbox: Inbox,
        envelope: Envelope,
        writer: Writer,
        outside: Outside,
        reload: Reload,
        meta: Callable[[Config], Meta],
        other_processes: Callable[[], Sequence[int]] = tuple,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._stop = stop
        self.cameras = cameras
        self._inference = inference
        self._inbox = inbox
        self._envelope = envelope
        self._writer = writer
        self._outside = outside
        self._events = outside.events
        self._publisher = outside.publisher
        self._answers = outside.answers
        self._evidence = outside.evidence
        self._reload = reload
        self._meta = meta
        self._other_processes = other_processes
        self._ledger = outside.ledger
        self._systemd = outside.systemd
        self.show: Callable[[Message], None] = lambda message: None  # noqa: ARG005
        self._clock_ns = clock_ns
        self._process = psutil.Process()
        self._started_ns = self._next_beat_ns = clock_ns()
        self._next_explain_ns: dict[str, int] = {}
        self._status_log = StatusLog()
        self.abandoned: list[str] = []

    def run(self) -> None:
        """Returns after an orderly end.

        Raises:
            Exception: what the inference thread died of (EngineError, or a bug), or the publisher.
        """
        orderly = False
        try:
            self._send(self._meta(self._reload.config))
            self._publish_events(self._events.begin())
            self.cameras.start()
            self._ledger.phase = "running"
            self._systemd.ready()
            while not self._stop.is_set() and self._turn():
                pass
            orderly = True
        finally:
            self._end(orderly=orderly)

    def _turn(self) -> bool:
        """One round of the main thread's duties; False when nothing more will come."""
        self._ledger.turned()
        self._systemd.turned()
        recognising = self._inference.is_alive()  # before taking: what it left is then in the inbox
        news = self._inbox.take(POLL_S)
        for item in news:
            if isinstance(item, EvidenceReady):
                self._publish_events(self._events.attach(item.event_id, item.evidence))
            elif self._is_of_nobody(item):
                continue
            elif isinstance(item, Recognised):
                self._publish_recognised(item)
            else:
                self.cameras.monitors[item.camera].changed(item, self._clock_ns())
                self._publish_status(item.camera)
        self._publisher.serve()
        if self._answers is not None:
            self._answers.serve()
        if self._clock_ns() >= self._next_beat_ns:
            self._review_shedding()
            self._beat()
            self.cameras.supervise()
        if (revision := self._reload.due()) is not None:
            self._revise(revision)
        self._ledger.configuration_taken = self._reload.succeeded
        if self._inference.failure is not None:
            raise self._inference.failure
        return recognising or bool(news)

    def _is_of_nobody(self, item: Recognised | StatusChange) -> bool:
        """Whether it is of a camera that was taken out, or altered, before it got here."""
        if isinstance(item, Recognised):
            camera, epoch = item.recognition.camera, item.recognition.epoch
        else:
            camera, epoch = item.camera, item.epoch
        monitor = self.cameras.monitors.get(camera)
        return monitor is None or epoch < monitor.first_epoch

    def _revise(self, revision: Revision) -> None:
        """Goes on with a new configuration; all of it, or nothing where it can't be."""
        try:
            check_sources(revision.added)
            self._outside.check(revision.config)
        except StreamError as error:
            self._reload.refuse(error)
            return
        self._systemd.reloading()
        for name in revision.removed:
            monitor = self.cameras.monitors[name]
            if monitor.state != "ended":
                monitor.ended("it was taken out of the configuration, or altered in it")
                self._publish_status(name)
            self.cameras.remove(name)
            self._status_log.forget(name)
        self._publish_events(self._outside.revise(revision.config))
        for camera in revision.added:
            self.cameras.add(camera)
        for name in revision.removed:
            if name not in self.cameras.monitors:
                self._publisher.forget(name)
        self._reload.accept(revision)
        self._send(self._meta(revision.config))
        self._systemd.ready()

    def _publish_recognised(self, item: Recognised) -> None:
        camera, now_ns = item.recognition.camera, self._clock_ns()
        prediction = self._writer.prediction(
            item.sample, item.recognition, taken_ns=item.taken_ns, done_ns=item.done_ns
        )
        self._send(prediction)
        if self._evidence is not None:
            recognition = item.recognition
            self._evidence.looked(camera, item.sample.capture_ns, recognition.spatial_rgb)
        self._publish_events(self._events.recognised(prediction))
        frame = item.sample.frame
        if frame is not None and now_ns >= self._next_explain_ns.get(camera, now_ns):
            self._next_explain_ns[camera] = now_ns + int(EXPLAIN_EVERY_S * 1e9)
            self._send(*self._writer.explain(item.sample, item.recognition, prediction, frame))
        shed = item.sample.sample.shed_before
        self.cameras.shedding.note(now_ns, shed)
        if self.cameras.monitors[camera].recognised(shed, now_ns):
            self._publish_status(camera)

    def _publish_status(self, camera: str) -> None:
        monitor = self.cameras.monitors[camera]
        status = Status(
            **self._envelope.fields("status", camera, monitor.epoch),
            **monitor.status_fields(self._clock_ns()),
        )
        self._send(status)
        self._status_log.note(status)
        self._publish_events(self._events.told(status))

    def _publish_events(self, changes: Iterable[Change]) -> None:
        for change in changes:
            event = change.event
            if event.phase == "start":
                _log.info("%s: %s began (rule %s)", event.camera, event.label, event.rule)
            elif event.phase == "end" and event.evidence is None:
                _log.info(
                    "%s: %s is over after %.1f s (rule %s, %s, peak %.2f)",
                    event.camera, event.label, event.duration_s, event.rule, event.end_reason,
                    event.peak,
                )  # fmt: skip
            self._send(self._writer.event(event, change.sequence))
            if self._evidence is not None and change.wants_evidence:
                self._evidence.follow(event)

    def _review_shedding(self) -> None:
        now_ns = self._clock_ns()
        if not self.cameras.shedding.review(now_ns):
            return
        for camera, monitor in self.cameras.monitors.items():
            if monitor.keeps_up(now_ns):
                self._publish_status(camera)

    def _beat(self) -> None:
        now_ns = self._clock_ns()
        self._next_beat_ns += int(BEAT_EVERY_S * 1e9)
        if self._next_beat_ns <= now_ns:  # this process stood still: no use in catching up
            self._next_beat_ns = now_ns + int(BEAT_EVERY_S * 1e9)
        self._events.tidy(self._envelope.now_ns())
        last_ns = self._inference.last_done_ns
        cameras = tuple(monitor.health(now_ns) for monitor in self.cameras.monitors.values())
        live = sum(health.state == "live" for health in cameras)
        self._systemd.says(f"{live} of {len(cameras)} cameras live")
        depths = {f"samples:{health.camera}": health.queue_depth for health in cameras}
        self._ledger.deliveries = {
            courier.sink.name: courier.delivery for courier in self._outside.couriers
        }
        self._send(
            Heartbeat(
                **self._envelope.fields("heartbeat"),
                interval_s=BEAT_EVERY_S,
                uptime_s=round((now_ns - self._started_ns) / 1e9, 3),
                cameras=cameras,
                shedding=self.cameras.shedding.step,
                open_events=len(self._events.open_events),
                last_inference_age_s=None
                if last_ns is None
                else round((now_ns - last_ns) / 1e9, 3),
                queues={
                    **depths,
                    "results": self._inbox.depth,
                    "unstored": self._events.unstored,
                },
                memory=Memory(rss_bytes=self._rss_bytes()),
                last_seq=self._envelope.last_seq(),
            )
        )

    def _rss_bytes(self) -> int:
        size = int(self._process.memory_info().rss)
        for pid in self._other_processes():
            with suppress(psutil.Error):  # it has just died
                size += psutil.Process(pid).memory_info().rss
        return size

    def _publish_last_evidence(self) -> None:
        """What is kept of events that ended just now, or whose post-roll was waited for."""
        if self._evidence is None:
            return
        waiting = [
            item for item in self._inbox.take(0.0, CAPACITY) if isinstance(item, EvidenceReady)
        ]
        for ready in (*waiting, *self._evidence.finish(EVIDENCE_S)):
            self._publish_events(self._events.attach(ready.event_id, ready.evidence))

    def _send(self, message: Message, blobs: Sequence[bytes] = ()) -> None:
        self._ledger.note(message)  # first, so that operators know at least what subscribers do
        self._publisher.send(message, blobs)
        self.show(message)

    def _end(self, *, orderly: bool) -> None:
        """Stops every thread, by a deadline, and says so to the subscribers."""
        deadline_s = time.monotonic() + STOP_S
        self._ledger.phase = "stopping"
        self._systemd.stopping()
        self._inbox.close()
        self.cameras.stop()
        self._inference.stop()
        self.abandoned = self.cameras.join(deadline_s)
        if self._inference.is_alive():
            self._inference.join(max(0.0, deadline_s - time.monotonic()))
        if self._inference.is_alive():
            self.abandoned.append(self._inference.name)
        for name in self.abandoned:
            _log.warning("thread %s did not end in time; it is left behind", name)
        ended = self._events.stop()  # stored, even where nobody can be told any more
        if orderly:
            self._publish_events(ended)
            self._publish_last_evidence()
            for camera, monitor in self.cameras.monitors.items():
                if monitor.state != "ended":
                    monitor.ended("the daemon was stopped")
                    self._publish_status(camera)
            self._beat()
        self._publisher.close(orderly=orderly)
