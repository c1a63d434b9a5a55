"""The subscriber: reads what a daemon publishes, and tells loss and silence from quiet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from stream.messaging.keys import ClientKey
from stream.messaging.line import Line
from stream.messaging.messages import EventChange, Heartbeat, Message
from stream.messaging.topics import ROOT, Address, node_prefix, parse

HIGH_WATER_MARK = 1000
SILENT_INTERVALS = 3  # heartbeats missed before a daemon counts as gone
TOPICS_AT_MOST = 10_000  # what is remembered of a publisher that makes up topics


@dataclass(frozen=True, slots=True)
class Received:
    """One message as it came. `raw` is its json, byte for byte."""

    topic: str
    address: Address
    message: Message
    raw: bytes
    blobs: tuple[bytes, ...]


class Subscriber:
    """Subscribes to topics by prefix. One thread uses it.

    The daemons' heartbeats are always subscribed to: they tell "no action" from "no data", and
    carry the numbers that show a loss. Connecting never fails: nobody there yet means waiting.

    overhear: told the parts of whatever comes, no news and unreadable messages as well.

    Attributes:
        lost: messages missed so far, by topic.
        unreadable: messages that were not of this version's form.
    """

    def __init__(
        self,
        endpoint: str,
        prefixes: Iterable[str] = (ROOT,),
        *,
        key: ClientKey | None = None,
        high_water_mark: int = HIGH_WATER_MARK,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        overhear: Callable[[list[bytes]], None] = lambda parts: None,  # noqa: ARG005
    ) -> None:
        self.endpoint = endpoint
        self._overhear = overhear
        self.lost: dict[str, int] = {}
        self.unreadable = 0
        self._clock_ns = clock_ns
        self._known: dict[str, _Known] = {}  # by topic
        self._revisions: dict[str, int] = {}  # of events that go on
        self._heartbeat: Heartbeat | None = None
        self._heartbeat_at_ns: int | None = None
        topics = {name for prefix in prefixes for name in (prefix, node_prefix(prefix))}
        self._line = Line(endpoint, topics, key=key, high_water_mark=high_water_mark)

    def receive(self, timeout_s: float) -> Received | None:
        """The next message that is news, or None at the timeout (0: don't wait).

        What was repeated for somebody else's sake and is known here already is left out.
        """
        deadline_ns = time.monotonic_ns() + int(timeout_s * 1e9)
        while True:
            left_ms = max(0, (deadline_ns - time.monotonic_ns()) // 1_000_000)
            if (parts := self._line.receive(left_ms)) is None:
                return None
            self._overhear(parts)
            received = self._read(parts)
            if received is not None and self._is_news(received):
                return received
            if time.monotonic_ns() > deadline_ns:  # a flood of what is no news
                return None

    @property
    def trouble(self) -> str:
        """Why nothing may be heard, and what to do, as far as that can be told."""
        return self._line.trouble

    @property
    def lost_total(self) -> int:
        """Messages missed so far."""
        return sum(self.lost.values())

    @property
    def heartbeat_age_s(self) -> float | None:
        """Since the last heartbeat of any daemon; None before the first."""
        if self._heartbeat_at_ns is None:
            return None
        return (self._clock_ns() - self._heartbeat_at_ns) / 1e9

    @property
    def alive(self) -> bool:
        """False once heartbeats fail to come: what is on screen is then old."""
        age_s = self.heartbeat_age_s
        return (
            self._heartbeat is not None
            and age_s is not None
            and age_s <= SILENT_INTERVALS * self._heartbeat.interval_s
        )

    def close(self) -> None:
        """Hangs up."""
        self._line.close()

    def _read(self, parts: list[bytes]) -> Received | None:
        topic = parts[0].decode(errors="replace")
        address = parse(topic)
        if address is None:  # a later version's, or not ours
            return None
        try:
            message = msgspec.json.decode(parts[1], type=address.kind.message)
        except (IndexError, msgspec.MsgspecError):
            self.unreadable += 1
            return None
        return Received(topic, address, message, parts[1], tuple(parts[2:]))

    def _is_news(self, received: Received) -> bool:
        message = received.message
        if isinstance(message, EventChange):
            unknown = message.revision > self._revisions.get(message.event_id, -1)
            if message.phase == "end":
                self._revisions.pop(message.event_id, None)
            elif unknown and len(self._revisions) < TOPICS_AT_MOST:
                self._revisions[message.event_id] = message.revision
            if message.replay:  # one of several that go on: its number says nothing of the topic's
                return unknown
        known = self._known.get(received.topic)
        if known is None or known.boot != message.boot:
            if known is None and len(self._known) >= TOPICS_AT_MOST:
                return True
            self._known[received.topic] = _Known(message.boot, message.seq, message.seq)
        elif message.seq <= known.arrived:
            return False
        elif message.seq <= known.counted:  # given up for lost, and now repeated after all
            known.arrived = message.seq
            self._count_lost(received.topic, -1)
        else:
            self._count_lost(received.topic, message.seq - known.counted - 1)
            known.arrived = known.counted = message.seq
        if isinstance(message, Heartbeat):
            self._heartbeat, self._heartbeat_at_ns = message, self._clock_ns()
            self._compare(message)
        return True

    def _compare(self, heartbeat: Heartbeat) -> None:
        """Finds what was sent on the topics heard of before, and did not come."""
        for topic, seq in heartbeat.last_seq.items():
            known = self._known.get(topic)
            if known is not None and known.boot == heartbeat.boot and seq > known.counted:
                self._count_lost(topic, seq - known.counted)
                known.counted = seq

    def _count_lost(self, topic: str, missed: int) -> None:
        if missed:
            self.lost[topic] = self.lost.get(topic, 0) + missed


@dataclass(slots=True)
class _Known:
    """How far a topic has come: the newest number that arrived, and that was accounted for."""

    boot: str
    arrived: int
    counted: int
