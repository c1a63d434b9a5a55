"""What operators are told: everything known of the daemon at one moment, never changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stream.events.courier import Delivery
from stream.messaging.messages import Heartbeat, Meta, State, Status
from stream.operations.histogram import HistogramCounts


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The last words of the daemon, and what was counted until then.

    statuses: the last of each camera that has had one.
    latencies: from capture to publishing, by camera; as many as predictions were published.
    events: how many began and ended, by rule and phase (start, end).
    evidence_errors: how many events' evidence is missing, whole or in part, by camera.
    deliveries: how it goes with each sink, by its name.
    configuration_taken: whether the last one read was; else an older one goes on.
    """

    meta: Meta
    heartbeat: Heartbeat
    statuses: Mapping[str, Status]
    latencies: Mapping[str, HistogramCounts]
    events: Mapping[tuple[str, str], int]
    evidence_errors: Mapping[str, int]
    deliveries: Mapping[str, Delivery]
    configuration_taken: bool

    def state(self, camera: str) -> State:
        """As last told; before that, it is being opened."""
        status = self.statuses.get(camera)
        return "connecting" if status is None else status.state

    def away(self) -> Iterator[str]:
        """A line for each camera that is not live, unless it has ended in order, as a file does."""
        for facts in self.meta.cameras:
            status = self.statuses.get(facts.camera)
            if status is None:
                yield f"{facts.camera}: connecting"
            elif status.state != "live" and (status.state, status.reason) != ("ended", None):
                reason = f" {status.reason}" if status.reason else ""
                detail = f": {status.detail}" if status.detail else ""
                yield " ".join(f"{facts.camera}: {status.state}{reason}{detail}".split())
