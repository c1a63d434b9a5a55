"""A camera's packets for the tests of evidence: each frame is as bright as its number says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
from av import Packet
from av.video.stream import VideoStream

from stream.evidence.holds import SECOND_NS
from stream.evidence.packets import PacketRing
from tests.stream.events.drawn import NOON_NS

FPS, GROUP = 25, 10  # a key frame each 0.4 s


def grey(number: int) -> np.ndarray:
    """A frame [48,64,3] that is as bright as its number says."""
    return np.full((48, 64, 3), min(2 * number, 250), np.uint8)


def bars(number: int) -> np.ndarray:
    """A frame [48,64,3] of bars of 2 px, black and white."""
    return np.tile(np.repeat(np.array([0, 255], np.uint8), 2), (48, 16))[..., None].repeat(3, 2)


def write_video(
    path: Path,
    *,
    frames: int,
    codec: str = "libx264",
    drawn: Callable[[int], np.ndarray] = grey,
    pix_fmt: str = "yuv420p",
) -> Path:
    """64x48 px; frame n as `drawn` has it: by default of the brightness 2 n (up to 250)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        stream.codec_context.gop_size = GROUP
        stream.options = {"x264-params": "scenecut=0"} if codec == "libx264" else {}
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(drawn(number), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def brightness(image: np.ndarray) -> int:
    """The number of the frame that a picture shows, within a few."""
    return round(float(image.mean()) / 2)


def feed(
    ring: PacketRing, video: Path, *, after_s: float = 0.0, packets: int | None = None
) -> None:
    """Everything of a file, as if it had been captured from noon on (or so long after)."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        ring.opened(stream)
        for packet in list(_packets(container, stream))[:packets]:
            ring.add(packet)
            assert packet.pts is not None
            assert packet.time_base is not None
            pts_ns = round(packet.pts * packet.time_base * SECOND_NS)
            ring.stamp(pts_ns, NOON_NS + round(after_s * SECOND_NS) + pts_ns)


def _packets(
    container: av.container.InputContainer, stream: VideoStream
) -> Iterator[Packet[VideoStream]]:
    return (packet for packet in container.demux(stream) if packet.size)


def at_ns(second: float) -> int:
    """So long after noon."""
    return NOON_NS + round(second * SECOND_NS)
