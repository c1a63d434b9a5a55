"""One encoded packet, apart from FFmpeg, and what else travels with packets between processes."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from av import Packet
    from av.video.stream import VideoStream


class EncodedPacket(NamedTuple):
    """pts, dts, duration: in its stream's time base; pts is None where it has no time."""

    data: bytes
    pts: int | None
    dts: int | None
    duration: int
    is_key: bool

    @classmethod
    def of(cls, packet: Packet[VideoStream]) -> EncodedPacket:
        """A copy: FFmpeg may use the packet's memory again."""
        return cls(bytes(packet), packet.pts, packet.dts, packet.duration or 0, packet.is_keyframe)


class Connected(NamedTuple):
    """Packets of a connection follow. header: see `stream.evidence.template.header_of`."""

    header: bytes
    time_base: Fraction


class Stamped(NamedTuple):
    """When the frame of a presentation time was captured, UTC."""

    pts_ns: int
    captured_at_ns: int


Relayed = EncodedPacket | Connected | Stamped
