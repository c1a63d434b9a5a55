"""Cameras on the network: RTSP over TCP or UDP, MJPEG over HTTP(S), HLS.

A camera sends what it has kept since its last key frame in one burst when it is opened. Those
pictures are real and their presentation times are whole, so they go on the grid like any others:
nothing is thrown away, reading is simply faster than real time until it is abreast, and the queue
behind sheds what the model can't keep up with. Latency therefore never stays behind, and the
first window is full sooner.

A reader that is too slow for its camera falls back in the socket's buffer instead. The lag that
`CaptureClock` measures goes out with each frame (the capture thread thins by it); past
`_HOPELESS_LAG_MS` nothing more is decoded until a key frame comes in time.

HLS offers the segments of the last seconds to whoever connects. What was played before the
connection was lost is not played again (`History`): a camera that died stays dead.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping

from av import Packet
from av.container import InputContainer
from av.video.stream import VideoStream

from stream.errors import Reason, SourceError
from stream.frame import SourceFrame
from stream.sources.ffmpeg import Decoded, decoded, open_container, video_of
from stream.sources.history import History, KeyFrame
from stream.sources.source import SourceOptions, StreamInfo
from stream.sources.timing import CaptureClock, Pacer
from stream.url import Url, parse

_HOPELESS_LAG_MS = 2000.0
_ABREAST_LAG_MS = 100.0
_UNTIMED = 25  # frames without timestamps before their arrival is taken for it
_TLS = ("rtsps", "https")
_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
_PROBE_S = 2.0
# HLS is at least a segment behind the camera, mostly three.
_HLS_UNCERTAINTY_MS = 20_000.0


class NetworkSource:
    """One connection to a camera. Its end is always a lost connection."""

    live = True

    def __init__(
        self,
        url: str,
        options: SourceOptions,
        *,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        utc_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        try:
            self._url: Url = parse(url)
        except ValueError as error:
            raise SourceError(Reason.NOT_FOUND, str(error)) from None
        self._shown = self._url.masked
        self._options = options
        self._monotonic_ns, self._utc_ns = monotonic_ns, utc_ns
        self._container: InputContainer | None = None
        self._stream: VideoStream | None = None
        self._lag_ms = 0.0
        self._catching_up = False
        self._history: History | None = None
        self._resume_after_ns: int | None = None

    def open(self) -> StreamInfo:
        """Connects; SourceError with the reason where that fails."""
        options = self._options
        try:
            self._container = open_container(
                self._url.full,
                self._shown,
                _ffmpeg_options(self._url.scheme, options),
                open_timeout_s=options.open_timeout_s,
                stall_s=options.stall_s,
                decoder=options.decoder,
            )
        except SourceError as error:
            raise self._better_explained(error) from None
        transport = options.transport if self._url.scheme.startswith("rtsp") else self._url.scheme
        self._stream, info = video_of(self._container, self._shown, transport)
        if options.packets is not None:
            options.packets.opened(self._stream)
        return info

    def frames(self) -> Iterator[SourceFrame]:
        """Frames until the connection ends; SourceError(STALL) where nothing comes for stall_s."""
        container, stream, options = self._container, self._stream, self._options
        if container is None or stream is None:
            raise SourceError(Reason.CONNECTION_LOST, f"{self._shown} is not open")
        clock = CaptureClock(monotonic_ns=self._monotonic_ns, utc_ns=self._utc_ns)
        # HLS hands over whole segments: played at their own pace, the model sees all of them.
        is_hls = container.format.name == "hls"
        history = self._history = options.history if is_hls else None
        pacer = Pacer(options.wait, catch_up=False, monotonic_ns=self._monotonic_ns)
        # MJPEG over HTTP has no timestamps, and FFmpeg makes up 25 fps.
        is_timed = container.format.name not in ("mpjpeg", "mjpeg", "image2pipe", "jpeg_pipe")
        untimed = 0
        for picture in decoded(
            container, stream, self._shown, stall_s=options.stall_s, wants=self._wants
        ):
            pts_ns = _presentation_ns(picture) if is_timed else self._monotonic_ns()
            lost = picture.lost
            if pts_ns is None:
                # The first frames may come before the timestamps' origin is known.
                untimed += 1
                is_timed = untimed < _UNTIMED
                continue
            if untimed:
                lost, untimed = {**lost, "untimed": untimed}, 0
            if history is not None:
                if self._resume_after_ns is not None and pts_ns <= self._resume_after_ns:
                    continue  # it was played in the connection before
                self._resume_after_ns, history.newest_ns = None, pts_ns
            stamp = clock.stamp(pts_ns, picture.waited_ns, _sender_start_ns(container))
            self._lag_ms = 0.0 if is_hls else stamp.lag_ms
            if options.packets is not None and is_timed:
                options.packets.stamp(pts_ns, stamp.captured_at_ns)
            if is_hls:
                pacer.hold(pts_ns)
            yield SourceFrame(
                pts_ns=pts_ns,
                captured_at_ns=stamp.captured_at_ns,
                clock=stamp.clock,
                uncertainty_ms=_HLS_UNCERTAINTY_MS if is_hls else stamp.uncertainty_ms,
                width=picture.width,
                height=picture.height,
                image=picture.image,
                lag_ms=self._lag_ms,
                lost=lost,
            )

    def close(self) -> None:
        """Hangs up."""
        container, self._container, self._stream = self._container, None, None
        if container is not None:
            container.close()

    def _wants(self, packet: Packet[VideoStream]) -> bool:
        """Whether a packet is worth decoding: all are, unless reading is hopelessly late."""
        if self._options.packets is not None:
            self._options.packets.add(packet)
        if not self._catching_up:
            self._catching_up = self._lag_ms > _HOPELESS_LAG_MS
        elif packet.is_keyframe:
            # Decoded to measure the lag afresh; the next packets follow from it if it is in time.
            self._catching_up = self._lag_ms > _HOPELESS_LAG_MS
        history = self._history if packet.is_keyframe else None
        if history is not None and history.note(KeyFrame.of(packet.pts, bytes(packet))):
            self._resume_after_ns = history.newest_ns
        return packet.is_keyframe or not self._catching_up

    def _better_explained(self, error: SourceError) -> SourceError:
        """FFmpeg says "invalid data" or "input/output error" to many things: ask the network."""
        if error.reason not in (Reason.CODEC, Reason.CONNECTION_LOST, Reason.TIMEOUT):
            return error
        url, shown = self._url, self._shown
        port = url.port or _PORTS.get(url.scheme, 80)
        try:
            with socket.create_connection((url.host, port), timeout=_PROBE_S):
                pass
        except socket.gaierror:
            return SourceError(
                Reason.NOT_FOUND, f"{shown}: no host of this name is known; check the name"
            )
        except ConnectionRefusedError:
            return SourceError(
                Reason.REFUSED, f"{shown} refuses the connection; check host and port"
            )
        except TimeoutError:
            return SourceError(
                Reason.TIMEOUT, f"{shown} can't be reached; check that the camera is on"
            )
        except OSError as network:
            return SourceError(
                Reason.NOT_FOUND, f"{shown} can't be reached ({network.strerror}); check the host"
            )
        if url.scheme in _TLS and error.reason is Reason.CONNECTION_LOST:
            return SourceError(
                Reason.TLS,
                f"{shown} answers, but not with TLS that works; check the port, "
                f"or use {url.scheme.removesuffix('s')}://",
            )
        if error.reason is Reason.CONNECTION_LOST:
            return SourceError(
                Reason.CODEC, f"{shown} answers, but not with video; check path and transport"
            )
        return error


def _ffmpeg_options(scheme: str, options: SourceOptions) -> Mapping[str, str]:
    # `fflags=nobuffer` would throw the first key frame away. `timeout` is in microseconds.
    timeout = {"timeout": str(round(options.stall_s * 1_000_000))}
    if scheme.startswith("rtsp"):
        return timeout | {
            "rtsp_transport": options.transport,
            "allowed_media_types": "video",  # with sound, FFmpeg would shift times by the report
            "analyzeduration": "200000",  # microseconds: opens in 0.3 s instead of 2.2 s
        }
    # A playlist may lead to other servers, but not to files of this machine.
    return timeout | {"protocol_whitelist": "http,https,tcp,tls,crypto,httpproxy,data"}


def _presentation_ns(picture: Decoded) -> int | None:
    return picture.dts_ns if picture.pts_ns is None else picture.pts_ns


def _sender_start_ns(container: InputContainer) -> int | None:
    """UTC at presentation time 0 by the sender report; None until there is one."""
    start_us = container.start_time_realtime
    return None if not start_us or start_us <= 0 else start_us * 1000
