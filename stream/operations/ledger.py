"""The ledger: what the main thread writes down for operators, and they may read at any time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Literal

from stream.events.courier import Delivery
from stream.events.evidence import Evidence
from stream.messaging.messages import EventChange, Heartbeat, Message, Meta, Prediction, Status
from stream.operations.histogram import Histogram
from stream.operations.snapshot import Snapshot

STANDS_STILL_S = 5.0

Phase = Literal["opening", "running", "stopping"]


class Ledger:
    """Hears every message that subscribers get, so that both are told the same.

    The main thread writes. Other threads read the attributes: whatever they find there is replaced
    as a whole, and never changed, so neither side waits for the other.

    Attributes:
        phase: opening until the cameras were started.
        configuration_taken: whether the last configuration read was.
        deliveries: how it goes with each sink, by its name.
        snapshot: replaced with each heartbeat and status; None before the first heartbeat.
    """

    def __init__(self, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.phase: Phase = "opening"
        self.configuration_taken = True
        self.deliveries: Mapping[str, Delivery] = {}
        self.snapshot: Snapshot | None = None
        self._clock_ns = clock_ns
        self._turned_ns = clock_ns()
        self._meta: Meta | None = None
        self._heartbeat: Heartbeat | None = None
        self._statuses: dict[str, Status] = {}
        self._latencies: dict[str, Histogram] = {}
        self._events: dict[tuple[str, str], int] = {}
        self._evidence_errors: dict[str, int] = {}

    def turned(self) -> None:
        """Notes that the main thread goes round."""
        self._turned_ns = self._clock_ns()

    @property
    def stands_still(self) -> bool:
        """Whether the main thread has not gone round for too long."""
        return self._clock_ns() - self._turned_ns > STANDS_STILL_S * 1e9

    def note(self, message: Message) -> None:
        """Notes what was just published."""
        match message:
            case Prediction(camera=str(camera)):
                latency_ms = message.time.latency_ms.capture_to_publish
                self._latencies[camera].observe(latency_ms / 1e3)
            case EventChange(evidence=None):  # with it, an end is told a second time
                key = (message.rule, message.phase)
                if key in self._events:  # a rule of yesterday's may end an event of yesterday's
                    self._events[key] += 1
            case EventChange(camera=str(camera), evidence=Evidence(error=str())):
                if camera in self._evidence_errors:  # one that was taken out may still be told of
                    self._evidence_errors[camera] += 1
            case Status(camera=str(camera)):
                self._statuses[camera] = message
                self._freeze()
            case Heartbeat():
                self._heartbeat = message
                self._freeze()
            case Meta():
                self._meta = message
                names = [facts.camera for facts in message.cameras]
                self._latencies = {c: self._latencies.get(c, Histogram()) for c in names}
                self._statuses = {c: self._statuses[c] for c in names if c in self._statuses}
                self._evidence_errors = {c: self._evidence_errors.get(c, 0) for c in names}
                keys = [(rule, phase) for rule in message.rules for phase in _COUNTED]
                self._events = {key: self._events.get(key, 0) for key in keys}
                self._freeze()

    def _freeze(self) -> None:
        if self._meta is None or self._heartbeat is None:
            return
        self.snapshot = Snapshot(
            meta=self._meta,
            heartbeat=self._heartbeat,
            statuses=dict(self._statuses),
            latencies={camera: each.counts() for camera, each in self._latencies.items()},
            events=dict(self._events),
            evidence_errors=dict(self._evidence_errors),
            deliveries=self.deliveries,
            configuration_taken=self.configuration_taken,
        )


_COUNTED = ("start", "end")  # phases of an event; its updates say nothing of how many there are
