"""One camera's encoded packets of the last seconds, by groups of pictures, in bounded memory."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from av import Packet
from av.video.stream import VideoStream

from stream.evidence.holds import SECOND_NS, Holds
from stream.evidence.packet import EncodedPacket, Relayed, Stamped
from stream.evidence.template import Template

CONNECTIONS_AT_MOST = 20  # besides the newest: a camera that comes and goes
UNTIMED_AT_MOST = 10  # packets at the beginning of a connection whose time is still to come
MOST_BYTES = 128 * 1024 * 1024  # a camera; more is dropped, oldest first, even where it is held


@dataclass(frozen=True, slots=True)
class StoredPacket:
    """A packet, apart from FFmpeg. pts, dts, duration: in the stream's time base."""

    data: bytes
    pts_ns: int
    pts: int
    dts: int
    duration: int
    is_key: bool


@dataclass(slots=True)
class _Group:
    """A key frame and what follows from it."""

    packets: list[StoredPacket]
    size_bytes: int = 0

    def add(self, packet: StoredPacket) -> None:
        self.packets.append(packet)
        self.size_bytes += len(packet.data)


@dataclass(slots=True)
class _Connection:
    """What came over one connection.

    offset_ns: UTC at presentation time 0. untimed: what came before any packet with a time, from a
    key frame on, and which of it are key frames.
    """

    template: Template
    offset_ns: int | None = None
    groups: list[_Group] = field(default_factory=list)
    untimed: list[tuple[bytes, bool]] = field(default_factory=list)

    def remember_untimed(self, packet: EncodedPacket) -> None:
        if packet.is_key or len(self.untimed) == UNTIMED_AT_MOST:
            self.untimed.clear()
        if packet.is_key or self.untimed:
            self.untimed.append((packet.data, packet.is_key))

    def utc_ns(self, packet: StoredPacket) -> int:
        assert self.offset_ns is not None
        return packet.pts_ns + self.offset_ns


@dataclass(frozen=True, slots=True)
class Cut:
    """Packets from a key frame on. start_ns, end_ns: UTC of the first and the last."""

    template: Template
    packets: list[StoredPacket]
    start_ns: int
    end_ns: int


class PacketRing:
    """Keeps packets as long as `holds` does. Any thread may use it."""

    def __init__(self, holds: Holds, *, most_bytes: int = MOST_BYTES) -> None:
        self._holds = holds
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._connections: list[_Connection] = []

    # --- what the capture thread does ---------------------------------------------------------

    def opened(self, stream: VideoStream) -> None:
        """A connection begins: its packets come next."""
        self._begin(Template(stream))

    def add(self, packet: Packet[VideoStream]) -> None:
        """Takes the next packet; what comes before the first key frame is of no use."""
        self._add(EncodedPacket.of(packet))

    def stamp(self, pts_ns: int, captured_at_ns: int) -> None:
        """When the frame of a presentation time was captured, UTC."""
        with self._lock:
            if self._connections:
                self._connections[-1].offset_ns = captured_at_ns - pts_ns

    def take(self, relayed: Relayed) -> None:
        """Takes what a `PacketRelay` in another process reports, in its order."""
        if isinstance(relayed, EncodedPacket):
            self._add(relayed)
        elif isinstance(relayed, Stamped):
            self.stamp(*relayed)
        else:
            self._begin(Template.of(*relayed))

    def _add(self, packet: EncodedPacket) -> None:
        if not packet.data:
            return
        with self._lock:
            if not self._connections:
                return
            connection = self._connections[-1]
            if packet.pts is None:
                connection.remember_untimed(packet)
                return
            dts = packet.pts if packet.dts is None else packet.dts
            # RTSP gives the first picture, a key frame, no time; without it nothing could begin
            # before the next one. It came just before this one.
            early = connection.untimed
            for at, (data, is_key) in enumerate(early, min(packet.pts, dts) - len(early)):
                self._store(connection, data, at, at, 0, is_key)
            early.clear()
            self._store(connection, packet.data, packet.pts, dts, packet.duration, packet.is_key)

    def _begin(self, template: Template) -> None:
        connection = _Connection(template)
        with self._lock:
            # Without a frame of it, nobody knows when its packets were captured.
            self._connections = [each for each in self._connections if each.offset_ns is not None][
                -CONNECTIONS_AT_MOST:
            ]
            self._connections.append(connection)

    def _store(
        self, connection: _Connection, data: bytes, pts: int, dts: int, duration: int, is_key: bool
    ) -> None:
        if is_key:
            connection.groups.append(_Group([]))
            self._prune()
        if connection.groups:
            pts_ns = round(pts * connection.template.time_base * SECOND_NS)
            connection.groups[-1].add(StoredPacket(data, pts_ns, pts, dts, duration, is_key))
            if connection.groups[-1].size_bytes > self._most_bytes:
                connection.groups.clear()  # a camera without key frames: nothing can begin

    # --- what the others do -------------------------------------------------------------------

    def cut(self, start_ns: int, end_ns: int, *, of_ns: int | None = None) -> Cut | None:
        """The packets of one connection from the key frame before `start_ns` up to `end_ns`.

        Of the connection that has the moment `of_ns`; where none has, of the newest that reaches
        into the time. None where there is none.
        """
        with self._lock:
            found = [
                (connection, chosen)
                for connection in reversed(self._connections)
                if connection.offset_ns is not None
                and (chosen := _chosen(connection, start_ns, end_ns))
            ]
            if not found:
                return None
            connection, chosen = next(
                (each for each in found if of_ns is not None and _reaches(*each, of_ns)), found[0]
            )
            times_ns = [connection.utc_ns(packet) for packet in chosen]
        return Cut(connection.template, chosen, min(times_ns), max(times_ns))

    def has(self, time_ns: int, *, until_ns: int) -> bool:
        """Whether the connection that has the first moment has, or will never have, the second."""
        with self._lock:
            known = [each for each in self._connections if each.offset_ns is not None]
            for place, connection in enumerate(known):
                groups = [group for group in connection.groups if group.packets]
                if groups and connection.utc_ns(groups[0].packets[0]) <= time_ns:
                    last_ns = max(connection.utc_ns(p) for p in groups[-1].packets)
                    if last_ns >= time_ns:
                        return last_ns >= until_ns or place < len(known) - 1
        return False

    @property
    def size_bytes(self) -> int:
        """What the packets take."""
        with self._lock:
            return _size(self._connections)

    def _prune(self) -> None:
        newest = next(
            (
                connection.utc_ns(group.packets[-1])
                for connection in reversed(self._connections)
                if connection.offset_ns is not None
                for group in reversed(connection.groups)
                if group.packets
            ),
            None,
        )
        for connection in self._connections if newest is not None else ():
            if connection.offset_ns is None:
                continue
            connection.groups = [
                group
                for group in connection.groups
                if not group.packets or self._stays(connection, group, newest or 0)
            ]
        over = _size(self._connections) - self._most_bytes
        for connection in self._connections:
            while over > 0 and len(connection.groups) > 1:
                over -= connection.groups.pop(0).size_bytes
        self._connections = [
            each for each in self._connections if each.groups or each is self._connections[-1]
        ]

    def _stays(self, connection: _Connection, group: _Group, newest_ns: int) -> bool:
        return self._holds.keep(
            connection.utc_ns(group.packets[0]),
            connection.utc_ns(group.packets[-1]),
            newest_ns=newest_ns,
        )


def _chosen(connection: _Connection, start_ns: int, end_ns: int) -> list[StoredPacket]:
    groups = [group for group in connection.groups if group.packets]
    before = [g for g in groups if connection.utc_ns(g.packets[0]) <= start_ns]
    if before:
        groups = groups[groups.index(before[-1]) :]
    packets = [packet for group in groups for packet in group.packets]
    chosen = [packet for packet in packets if connection.utc_ns(packet) <= end_ns]
    # Where the whole connection lies before, its last group alone says nothing of that time.
    if not chosen or connection.utc_ns(chosen[-1]) < start_ns:
        return []
    return chosen


def _reaches(connection: _Connection, packets: list[StoredPacket], time_ns: int) -> bool:
    return connection.utc_ns(packets[0]) <= time_ns <= connection.utc_ns(packets[-1])


def _size(connections: Iterable[_Connection]) -> int:
    return sum(group.size_bytes for each in connections for group in each.groups)
