"""Packets to an MP4 that plays from its first frame, and an MP4 to a picture."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np

from engine.arrays import U8
from stream.evidence.packets import SECOND_NS, Cut

JPEG_QUALITY = 90


def write_clip(cut: Cut, path: Path) -> None:
    """Writes the packets as they are.

    Raises:
        OSError or av.FFmpegError: it can't be written, or such packets don't go into an MP4.
    """
    # A plain file, so that a full disk is an OSError with its own words.
    with path.open("wb") as file, av.open(file, "w", format="mp4") as container:
        stream = container.add_stream_from_template(cut.template.stream)
        first = cut.packets[0].pts
        last = cut.packets[0].dts - 1
        for stored in cut.packets:
            packet = av.Packet(stored.data)
            # Cameras repeat a time now and then, and an MP4 may not.
            last = max(last + 1, stored.dts)
            packet.dts = last - first
            packet.pts = max(stored.pts - first, packet.dts)
            packet.time_base = cut.template.time_base
            packet.duration = stored.duration
            packet.is_keyframe = stored.is_key
            packet.stream = stream
            container.mux(packet)


def frame_at(path: Path, cut: Cut, time_ns: int) -> tuple[U8, int]:
    """The clip's frame [H,W,3] RGB nearest to a time, UTC, and when it was.

    Raises:
        OSError or av.FFmpegError: it can't be read.
    """
    best: tuple[int, av.VideoFrame] | None = None
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        first_s = float((stream.start_time or 0) * (stream.time_base or 0))
        wanted_s = first_s + max(0, time_ns - cut.start_ns) / SECOND_NS
        container.seek(int(wanted_s * av.time_base))  # to the key frame before
        for frame in container.decode(stream):
            at_ns = cut.start_ns + round(((frame.time or 0.0) - first_s) * SECOND_NS)
            if best is not None and abs(at_ns - time_ns) > abs(best[0] - time_ns):
                break
            best = at_ns, frame
    if best is None:
        raise OSError("the clip holds no picture")
    at_ns, frame = best
    return cast(U8, frame.to_ndarray(format="rgb24")), at_ns


def write_picture(image: U8, path: Path) -> None:
    """A JPEG of [H,W,3] RGB. Raises OSError where it can't be written."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    ok, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not ok:
        raise OSError(f"a picture of {image.shape} can't be coded as JPEG")
    path.write_bytes(np.asarray(encoded).tobytes())
