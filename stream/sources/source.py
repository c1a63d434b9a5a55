"""What every source offers: open, frames, close."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from av import Packet
from av.video.stream import VideoStream

from stream.frame import SourceFrame
from stream.sources.history import History

Decoder = Literal["cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What opening a source told: size in pixels, the announced rate, codec and transport.

    `fps` is 0.0 where the source doesn't say (a camera often doesn't).
    """

    width: int
    height: int
    fps: float
    codec: str
    transport: str


class PacketTap(Protocol):
    """Takes the encoded packets of a source, in its own thread."""

    def opened(self, stream: VideoStream) -> None:
        """A connection, or a file, begins."""
        ...

    def add(self, packet: Packet[VideoStream]) -> None:
        """The next packet, before it is decoded."""
        ...

    def stamp(self, pts_ns: int, captured_at_ns: int) -> None:
        """When the frame of a presentation time was captured."""
        ...


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How to open a source; each class reads what concerns it.

    Attributes:
        transport: RTSP over "tcp" or "udp".
        open_timeout_s: how long opening may take.
        stall_s: a network source that sends nothing for this long raises SourceError(STALL).
        loop: a file starts again at its end.
        realtime: a file is paced by its own timestamps instead of read as fast as possible.
        wait: how a source that paces itself sleeps, seconds; the capture thread gives one that a
            stop interrupts (it then returns true).
        decoder: "cuda" has cameras and files decoded by an NVIDIA GPU, where it can.
        packets: takes every encoded packet of a camera, or a file at its own pace.
        history: what of an HLS camera was played in the connections before.
    """

    transport: str = "tcp"
    open_timeout_s: float = 10.0
    stall_s: float = 5.0
    loop: bool = False
    realtime: bool = False
    wait: Callable[[float], object] = time.sleep
    history: History = field(default_factory=History)
    decoder: Decoder = "cpu"
    packets: PacketTap | None = None


class Source(Protocol):
    """A camera, a file or a scene; opened, read and closed by one thread.

    A source object is used once: after `close()` (or an error) a new one is made.
    """

    @property
    def live(self) -> bool:
        """True for a sender that doesn't wait: newest wins, and an end is a lost connection."""
        ...

    def open(self) -> StreamInfo:
        """Opens, or raises SourceError with the reason and a sentence."""
        ...

    def frames(self) -> Iterator[SourceFrame]:
        """Yields frames in presentation order; raises SourceError when reading fails."""
        ...

    def close(self) -> None:
        """Lets go of the device or connection; may be called twice, never raises."""
        ...
