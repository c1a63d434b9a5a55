"""Packets to an MP4 that plays from its first frame: as they are, or blurred and coded anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream

from engine.arrays import U8
from stream.evidence.blur import blurred
from stream.evidence.holds import SECOND_NS
from stream.evidence.packets import Cut
from stream.evidence.picture import decoded
from stream.region import Point, Region

# The first that this FFmpeg has; the last is part of every one.
_ENCODERS = ("libx264", "libopenh264", "mpeg4")
_OPTIONS = {"libx264": {"preset": "veryfast", "crf": "23"}}
_BITS_PER_PIXEL = 0.1  # and picture, for the others: about what they need to look the same
_TICK = Fraction(1, 60_000)  # s; MPEG-4 takes nothing finer than 1/65535

Span = tuple[int, int]  # when a clip's first and last picture were captured, UTC nanoseconds


def write_clip(cut: Cut, path: Path) -> Span:
    """Writes the packets as they are.

    Raises:
        OSError or av.FFmpegError: it can't be written, or such packets don't go into an MP4.
    """
    # A plain file, so that a full disk is an OSError with its own words.
    with path.open("wb") as file, av.open(file, "w", format="mp4") as container:
        try:
            stream = container.add_stream_from_template(cut.template.stream)
        except ValueError:
            codec = cut.template.stream.codec_context.codec.canonical_name
            raise OSError(f"an MP4 can't hold {codec}") from None
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
    return cut.start_ns, cut.end_ns


def write_blurred_clip(
    cut: Cut, path: Path, region: Sequence[Point], *, too_late: Callable[[], bool]
) -> Span:
    """Writes the pictures with everything outside of a region blurred, coded anew.

    What is not blurred yet stays in memory.

    Args:
        too_late: asked at each picture: whether to give up.

    Raises:
        OSError or av.FFmpegError: it can't be written, no picture can be decoded, or it is too
            late.
    """
    with path.open("wb") as file, av.open(file, "w", format="mp4") as container:
        blurring: _Blurring | None = None
        for frame, at_ns in decoded(cut):
            if too_late():
                raise OSError("there was no time left to blur it")
            if blurring is None:
                blurring = _Blurring(container, frame, at_ns, region)
            blurring.add(frame, at_ns)
        if blurring is None:
            raise OSError("none of its pictures can be decoded")
        return blurring.end()


class _Blurring:
    """Frames of one size into a stream of their own, blurred outside of a region."""

    def __init__(
        self, container: OutputContainer, first: av.VideoFrame, at_ns: int, region: Sequence[Point]
    ) -> None:
        width, height = first.width // 2 * 2, first.height // 2 * 2  # 4:2:0 has no odd sizes
        self._container = container
        self._stream = _encoder(container, first, width, height)
        self._luma = Region(region, (width, height))
        self._chroma = Region(region, (width // 2, height // 2))
        self._start_ns = self._end_ns = at_ns
        self._pts = -1

    def add(self, frame: av.VideoFrame, at_ns: int) -> None:
        """The next one."""
        width, height = self._stream.width, self._stream.height
        # Plane by plane: no colours are converted, so those inside stay what they were.
        frame = frame.reformat(width=width, height=height, format="yuv420p")
        planes = cast(U8, frame.to_ndarray()).reshape(-1)
        quarter = width * height // 4
        luma = planes[: 4 * quarter].reshape(height, width)
        chroma = planes[4 * quarter :].reshape(2, height // 2, width // 2)
        kept = [blurred(luma, self._luma), *(blurred(plane, self._chroma) for plane in chroma)]
        joined = np.concatenate([plane.reshape(-1) for plane in kept])
        coded = av.VideoFrame.from_ndarray(joined.reshape(-1, width), format="yuv420p")
        # Cameras repeat a time now and then, and an MP4 may not.
        self._pts = max(self._pts + 1, round((at_ns - self._start_ns) / SECOND_NS / _TICK))
        coded.pts, coded.time_base = self._pts, _TICK
        self._end_ns = at_ns
        self._container.mux(self._stream.encode(coded))

    def end(self) -> Span:
        """Writes what the encoder still holds."""
        self._container.mux(self._stream.encode(None))
        return self._start_ns, self._end_ns


def _encoder(
    container: OutputContainer, first: av.VideoFrame, width: int, height: int
) -> VideoStream:
    name = next(each for each in _ENCODERS if _is_there(each))
    stream = container.add_stream(name, options=_OPTIONS.get(name, {}))
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.time_base = stream.codec_context.time_base = _TICK
    stream.codec_context.max_b_frames = 0
    stream.codec_context.thread_count = 1  # the cameras go first
    if name not in _OPTIONS:
        stream.codec_context.bit_rate = round(_BITS_PER_PIXEL * 25 * width * height)
    like = first.reformat(format="yuv420p")
    stream.codec_context.color_range = like.color_range
    stream.codec_context.colorspace = like.colorspace
    return stream


def _is_there(encoder: str) -> bool:
    try:
        av.Codec(encoder, "w")
    except av.codec.codec.UnknownCodecError:
        return False
    return True
