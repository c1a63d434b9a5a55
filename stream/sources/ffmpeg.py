"""What the sources that read through FFmpeg share: opening, decoding, its errors in our words."""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from engine.arrays import U8
from engine.grid import SECOND_NS
from stream.errors import Reason, SourceError
from stream.sources import nvdec
from stream.sources.source import Decoder, StreamInfo

# FFmpeg "plays" text files as terminal art.
_NOT_VIDEO = frozenset({"ansi", "bintext", "xbin", "idf"})
_NEARLY = 0.9  # of a timeout: what took so long has run into it
_NO_CAMERA = (errno.ENODEV, errno.ENOTTY, errno.ENXIO)  # what a device says that is none, or gone
_POLL_S = 0.004  # how often a device that doesn't block is asked
_HOPELESS = 250  # packets in a row that give no picture
_HOPELESS_ON_GPU = 25  # packets in a row that can't be decoded


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture out of the decoder.

    pts_ns, dts_ns: presentation and decoding time, where the stream has them.
    image: converts to U8[H,W,3] RGB.
    waited_ns: how long reading its packet blocked.
    lost: packets and pictures given up just before, by cause.
    """

    pts_ns: int | None
    dts_ns: int | None
    width: int
    height: int
    image: Callable[[], U8]
    waited_ns: int
    lost: Mapping[str, int]


@contextlib.contextmanager
def mapped_errors(shown: str, *, timeout_s: float, opened: bool) -> Iterator[None]:
    """Turns every error of FFmpeg into a SourceError.

    Args:
        shown: the masked URL, as the sentence names it.
        timeout_s: what an expired wait is said to have lasted.
        opened: false while opening, true while reading.
    """
    began_s = time.monotonic()
    try:
        yield
    except (av.FFmpegError, OSError) as error:
        waited_s = time.monotonic() - began_s
        # The original is not chained: its text holds the URL with the password.
        raise _translated(error, shown, waited_s, timeout_s, opened=opened) from None


def _translated(
    error: av.FFmpegError | OSError, shown: str, waited_s: float, timeout_s: float, *, opened: bool
) -> SourceError:
    """The most specific reason; the order matters, since FFmpeg's errors are built-in ones too."""
    if isinstance(error, (av.HTTPUnauthorizedError, av.HTTPForbiddenError)):
        return SourceError(
            Reason.AUTH, f"{shown} refuses the user name or password; check them in the URL"
        )
    if isinstance(error, (av.HTTPNotFoundError, FileNotFoundError)):
        return SourceError(Reason.NOT_FOUND, f"there is nothing at {shown}; check the path")
    if isinstance(error, av.HTTPError):
        code = (getattr(error, "strerror", "") or "an error").removeprefix("Server returned ")
        return SourceError(Reason.REFUSED, f"{shown} answers {code}; look at the camera's own page")
    if isinstance(error, ConnectionRefusedError):
        return SourceError(
            Reason.REFUSED, f"{shown} refuses the connection; check host and port, and that it runs"
        )
    if isinstance(error, PermissionError):
        return SourceError(
            Reason.PERMISSION, f"no permission to read {shown}; check its owner and mode"
        )
    if isinstance(error, IsADirectoryError):
        return SourceError(Reason.CODEC, f"{shown} is a folder; give a video file")
    if error.errno in _NO_CAMERA:
        return _no_camera(shown, opened=opened)
    if error.errno == errno.EBUSY:
        return SourceError(Reason.REFUSED, f"{shown} is in use by another program; close that one")
    if isinstance(error, (av.ExitError, TimeoutError)):
        if opened:
            return _stalled(shown, timeout_s)
        return _timed_out(shown, timeout_s)
    if timeout_s and waited_s > _NEARLY * timeout_s:
        # RTSP calls a silent server "invalid data", HLS an "input/output error".
        return _stalled(shown, timeout_s) if opened else _timed_out(shown, timeout_s)
    if isinstance(error, ConnectionError):
        return SourceError(Reason.CONNECTION_LOST, f"the connection to {shown} broke")
    if isinstance(error, (av.InvalidDataError, av.ArgumentError)) and not opened:
        return SourceError(
            Reason.CODEC, f"{shown} holds no video that can be read; check it in a player"
        )
    why = getattr(error, "strerror", None) or type(error).__name__
    return SourceError(Reason.CONNECTION_LOST, f"reading {shown} failed: {why}")


def _stalled(shown: str, stall_s: float) -> SourceError:
    return SourceError(Reason.STALL, f"{shown} has sent nothing for {stall_s:g} s; reconnecting")


def _no_camera(shown: str, *, opened: bool) -> SourceError:
    if opened:
        return SourceError(Reason.CONNECTION_LOST, f"{shown} has gone; plug it in again")
    return SourceError(
        Reason.NOT_FOUND,
        f"{shown} is no camera (most have two numbers, and one gives no pictures); try another",
    )


def _timed_out(shown: str, timeout_s: float) -> SourceError:
    return SourceError(
        Reason.TIMEOUT, f"{shown} didn't answer within {timeout_s:g} s; check host and network"
    )


def open_container(
    url: str,
    shown: str,
    options: Mapping[str, str],
    *,
    open_timeout_s: float,
    stall_s: float | None = None,
    container_format: str | None = None,
    decoder: Decoder = "cpu",
) -> InputContainer:
    """Opens `url`, whose masked form is `shown`; SourceError where it fails.

    stall_s: a read that blocks for so long fails; None waits for ever. decoder: "cuda" is the
    GPU's, where there is one and the video's codec gives the same pictures there; else the CPU's.
    """

    def opened(accelerator: HWAccel | None) -> InputContainer:
        return av.open(
            url,
            options=dict(options),
            format=container_format,
            timeout=(open_timeout_s, stall_s),
            hwaccel=accelerator,
        )

    accelerator = nvdec.accelerator(shown) if decoder == "cuda" else None
    with mapped_errors(shown, timeout_s=open_timeout_s, opened=False):
        if accelerator is None:
            return opened(None)
        try:
            container = opened(accelerator)
        except (av.FFmpegError, OSError):
            if not nvdec.is_lost():
                raise
            return opened(None)
        for stream in container.streams.video[:1]:
            if stream.codec_context is not None and not nvdec.is_exact(
                shown, stream.codec_context.name
            ):
                container.close()
                return opened(None)
        return container


def video_of(
    container: InputContainer, shown: str, transport: str
) -> tuple[VideoStream, StreamInfo]:
    """The video track, made ready, and what is known of it; SourceError(CODEC) without one."""
    if not container.streams.video:
        raise SourceError(
            Reason.CODEC, f"{shown} has no video, only sound or data; give a video stream"
        )
    stream = container.streams.video[0]
    context = stream.codec_context
    if context is None or context.name in _NOT_VIDEO:
        what = "a text file" if context is not None else "coded in a way that can't be decoded here"
        raise SourceError(Reason.CODEC, f"{shown} is {what}; give a video in H.264, H.265 or MJPEG")
    context.thread_type = "SLICE"  # frame threads add a delay of two frames
    rate = stream.average_rate or stream.guessed_rate
    info = StreamInfo(
        width=context.width,
        height=context.height,
        fps=float(rate or 0),
        codec=context.name,
        transport=transport,
    )
    return stream, info


def decoded(
    container: InputContainer,
    stream: VideoStream,
    shown: str,
    *,
    stall_s: float = 0.0,
    wants: Callable[[av.Packet[VideoStream]], bool] = lambda packet: True,  # noqa: ARG005
    wait: Callable[[float], object] = time.sleep,
    is_lent: bool = False,
) -> Iterator[Decoded]:
    """Reads and decodes to the end of the stream.

    Damaged packets and pictures are passed over and counted as "corrupt". `wants` is asked of
    every packet; one that isn't wanted is not decoded, and counts as "late". `wait` sleeps for so
    many seconds where the container was opened not to block; true ends the stream. `is_lent`: the
    packets are a driver's own memory, which goes with the device, whoever still looks at it.

    Raises SourceError where reading fails or blocks for `stall_s`, or nothing decodes for long.
    """
    reformatters = VideoReformatter(), VideoReformatter()  # for all frames: they keep their tables
    context = stream.codec_context
    is_accelerated, is_first = context.is_hwaccel, True
    announced = context.width, context.height
    packets = _Packets(container, stream, stall_s, wait, is_lent=is_lent)
    is_hls = container.format.name == "hls"
    lost: dict[str, int] = {}
    fruitless = failed = 0  # in a row
    while True:
        asked_ns = time.monotonic_ns()
        with mapped_errors(shown, timeout_s=stall_s, opened=True):
            packet = packets.next()
        waited_ns = time.monotonic_ns() - asked_ns
        is_last = packet is None or not packet.size
        if (is_last or is_hls) and stall_s and waited_ns > _NEARLY * stall_s * SECOND_NS:
            raise _stalled(shown, stall_s)  # HLS takes an expired wait for the end of the stream
        if packet is None:
            return
        if packet.size and not wants(packet):
            lost["late"] = lost.get("late", 0) + 1
            continue
        try:
            frames = packet.decode()
        except av.FFmpegError:
            frames = []
            failed += 1
            lost["corrupt"] = lost.get("corrupt", 0) + 1
        else:
            failed = 0
        if is_accelerated and failed > _HOPELESS_ON_GPU:
            why = f"the GPU decodes nothing of {shown} (its memory may be full)"
            raise SourceError(Reason.CODEC, nvdec.give_up(shown, why))
        fruitless = 0 if frames else fruitless + 1
        if fruitless > _HOPELESS:
            raise SourceError(
                Reason.CODEC,
                f"{shown} sends data, but no picture of it can be decoded; check its codec",
            )
        for frame in frames:
            if is_accelerated and frame.sw_format is None:
                is_accelerated = False
                nvdec.note_fallback(shown, context.name)
            elif is_accelerated and is_first and (frame.width, frame.height) != announced:
                # FFmpeg cuts nothing off a GPU's picture at its left or top.
                why = f"{shown} is cropped, and a GPU's picture of it would not be"
                raise SourceError(Reason.CODEC, nvdec.give_up(shown, why))
            is_first = False
            if frame.is_corrupt:
                lost["corrupt"] = lost.get("corrupt", 0) + 1
                continue
            yield Decoded(
                pts_ns=_nanoseconds(frame.pts, frame.time_base),
                dts_ns=_nanoseconds(frame.dts, frame.time_base),
                width=frame.width,
                height=frame.height,
                image=_Image(frame, *reformatters),
                waited_ns=waited_ns,
                lost=lost,
            )
            lost = {}


class _Packets:
    """The packets of a stream; waits here where FFmpeg was asked not to."""

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        stall_s: float,
        wait: Callable[[float], object],
        *,
        is_lent: bool,
    ) -> None:
        self._container, self._stream = container, stream
        self._stall_s, self._wait, self._is_lent = stall_s, wait, is_lent
        self._packets = container.demux(stream)

    def next(self) -> av.Packet[VideoStream] | None:
        """The next one, None at the end; TimeoutError where nothing comes for `stall_s`."""
        began_s = time.monotonic()
        while True:
            try:
                packet = next(self._packets, None)
            except BlockingIOError:
                if time.monotonic() - began_s > self._stall_s:
                    raise TimeoutError from None
            else:
                if packet is None or not self._is_lent:
                    return packet
                # Nothing else may keep it: the iterator does, until it is asked again.
                self._packets = self._container.demux(self._stream)
                return _copy(packet)
            if self._wait(_POLL_S):
                return None
            self._packets = self._container.demux(self._stream)


def _copy(packet: av.Packet[VideoStream]) -> av.Packet[VideoStream]:
    copy = cast("av.Packet[VideoStream]", av.Packet(bytes(packet)))
    copy.stream = packet.stream
    copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
    copy.is_keyframe = packet.is_keyframe
    return copy


def _nanoseconds(ticks: int | None, time_base: Fraction | None) -> int | None:
    """In nanoseconds, to the nearest (halves to even): exact integers, so the grid never drifts."""
    if ticks is None or time_base is None:
        return None
    # What round() of a Fraction gives, which takes four times as long, for each frame.
    whole, rest = divmod(ticks * time_base.numerator * SECOND_NS, time_base.denominator)
    return whole + (2 * rest + (whole & 1) > time_base.denominator)


class _Image:
    """Converts a decoded picture to RGB when it is called; one on the GPU comes down for it."""

    __slots__ = ("_frame", "_to_planar", "_to_rgb")

    def __init__(
        self, frame: av.VideoFrame, to_planar: VideoReformatter, to_rgb: VideoReformatter
    ) -> None:
        self._frame, self._to_planar, self._to_rgb = frame, to_planar, to_rgb

    def __call__(self) -> U8:
        frame = self._frame
        # Each camera has its thread already; more of them inside would only compete.
        if planar := nvdec.planar((frame.sw_format or frame.format).name):
            frame = self._to_planar.reformat(frame, format=planar, threads=1)
        rgb = self._to_rgb.reformat(frame, format="rgb24", threads=1)
        return cast(U8, rgb.to_ndarray())
