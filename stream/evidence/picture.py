"""Packets to pictures, in memory, and a picture to a JPEG."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np

from engine.arrays import U8
from stream.evidence.holds import SECOND_NS
from stream.evidence.packets import Cut

JPEG_QUALITY = 90
NEAR_NS = 5_000_000  # times of one picture that were taken in two ways may differ by so much


def decoded(cut: Cut) -> Iterator[tuple[av.VideoFrame, int]]:
    """The pictures one after the other, each with when it was captured, UTC nanoseconds.

    Damaged ones are passed over. Raises av.FFmpegError where FFmpeg has no decoder for them.
    """
    decoder = cut.template.decoder()
    base = cut.template.time_base
    first = min(stored.pts for stored in cut.packets)
    for stored in (*cut.packets, None):  # None: what is still inside comes out
        packet = None
        if stored is not None:
            packet = av.Packet(stored.data)
            packet.pts, packet.dts, packet.time_base = stored.pts, stored.dts, base
        try:
            frames = decoder.decode(packet)
        except av.FFmpegError:
            continue
        for frame in frames:
            if frame.pts is not None and not frame.is_corrupt:
                yield frame, cut.start_ns + round((frame.pts - first) * base * SECOND_NS)


def picture_at(cut: Cut, time_ns: int) -> tuple[U8, int]:
    """The picture [H,W,3] RGB that was the newest at a time, UTC, and when it was captured: what
    the grid took for that time. The first one where all are later.

    Raises:
        OSError or av.FFmpegError: none can be decoded.
    """
    newest: tuple[av.VideoFrame, int] | None = None
    for frame, at_ns in decoded(cut):
        if newest is not None and at_ns > time_ns + NEAR_NS:
            break
        newest = frame, at_ns
    if newest is None:
        raise OSError("none of its pictures can be decoded")
    return cast(U8, newest[0].to_ndarray(format="rgb24")), newest[1]


def write_picture(image: U8, path: Path) -> None:
    """A JPEG of [H,W,3] RGB. Raises OSError where it can't be written."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    ok, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not ok:
        raise OSError(f"a picture of {image.shape} can't be coded as JPEG")
    path.write_bytes(np.asarray(encoded).tobytes())
