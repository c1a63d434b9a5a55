"""Passes a camera's packets on to a ring in another process."""

from __future__ import annotations

from collections.abc import Callable

from av import Packet
from av.video.stream import VideoStream

from stream.evidence.packet import Connected, EncodedPacket, Relayed, Stamped
from stream.evidence.template import header_of


class PacketRelay:
    """See `stream.sources.source.PacketTap`. A connection is told of with its first key frame:
    nothing before it can be decoded.

    report: takes what `PacketRing.take` is to be given.
    """

    def __init__(self, report: Callable[[Relayed], object]) -> None:
        self._report = report
        self._stream: VideoStream | None = None  # whose first key frame is still to come
        self._begun = False

    def opened(self, stream: VideoStream) -> None:
        """See PacketTap."""
        self._stream, self._begun = stream, False

    def add(self, packet: Packet[VideoStream]) -> None:
        """See PacketTap."""
        if not packet.size:
            return
        encoded = EncodedPacket.of(packet)
        if self._stream is not None and encoded.is_key:
            assert self._stream.time_base is not None
            self._report(Connected(header_of(self._stream, encoded), self._stream.time_base))
            self._stream, self._begun = None, True
        if self._begun:
            self._report(encoded)

    def stamp(self, pts_ns: int, captured_at_ns: int) -> None:
        """See PacketTap."""
        if self._begun:
            self._report(Stamped(pts_ns, captured_at_ns))
