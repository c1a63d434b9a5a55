"""Video files: once or in a loop, as fast as they are read or at their own pace."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import av
from av import Packet
from av.container import InputContainer
from av.video.stream import VideoStream

from engine.grid import SECOND_NS
from stream.errors import Reason, SourceError
from stream.frame import SourceFrame
from stream.sources.ffmpeg import Decoded, decoded, open_container, video_of
from stream.sources.source import SourceOptions, StreamInfo
from stream.sources.timing import Pacer

_PLAYLIST = b"#EXTM3U"
_MISSING_END_S = 0.5  # a file that stops so much before its stated length is cut short


class FileSource:
    """Plays a file. At the end of a loop the next frame carries `new_epoch`: it is a cut.

    A frame's time of capture is the time of its reading; the file's own timeline is in `pts_ns`.
    """

    live = False

    def __init__(
        self,
        path: str,
        options: SourceOptions,
        *,
        utc_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        if path.startswith("file://"):
            path = unquote(path.removeprefix("file://").removeprefix("localhost"))
        self._path = Path(path)
        self._options = options
        self._utc_ns = utc_ns
        # Read faster than it was filmed, a file has no times of capture to find its packets by.
        self._tap = options.packets if options.realtime else None
        self._pacer = Pacer(options.wait, catch_up=True)
        self._container: InputContainer | None = None
        self._stream: VideoStream | None = None

    def open(self) -> StreamInfo:
        """Opens the file; SourceError where it is missing, unreadable, empty or no video."""
        self._refuse_what_is_no_file()
        # `file:` in front, so that no name is taken for a protocol of FFmpeg's; and a playlist
        # may not send the daemon out into the network.
        container = open_container(
            f"file:{self._path}",
            str(self._path),
            {"protocol_whitelist": "file,crypto,data"},
            open_timeout_s=self._options.open_timeout_s,
            decoder=self._options.decoder,
        )
        self._container = container
        self._stream, info = video_of(container, str(self._path), "file")
        if self._tap is not None:
            self._tap.opened(self._stream)
        return info

    def frames(self) -> Iterator[SourceFrame]:
        """Every frame; SourceError(CODEC) behind the last one of a file that ends early."""
        is_repeat = False
        while True:
            yield from self._once(is_repeat=is_repeat)
            if not self._options.loop:
                return
            is_repeat = True
            self.close()
            self.open()

    def close(self) -> None:
        """Closes the file."""
        container, self._container, self._stream = self._container, None, None
        if container is not None:
            container.close()

    def _once(self, *, is_repeat: bool) -> Iterator[SourceFrame]:
        container, stream = self._container, self._stream
        if container is None or stream is None:
            raise SourceError(Reason.NOT_FOUND, f"{self._path} is not open")
        self._pacer.restart()
        first_ns, last_ns, step_ns, untimed = None, 0, 0, 0
        for picture in self._pictures(container, stream):
            pts_ns = picture.pts_ns
            if container.format.name == "avi":
                # It keeps decoding times alone, while its pictures come in order of presentation;
                # the last of them, which the decoder held back, have no time of their own.
                pts_ns = last_ns + step_ns if picture.dts_ns is None else picture.dts_ns
            if pts_ns is None:
                untimed += 1
                continue
            lag_ms = self._pacer.hold(pts_ns) if self._options.realtime else 0.0
            captured_at_ns = self._utc_ns()
            if self._tap is not None and picture.pts_ns is not None:
                self._tap.stamp(picture.pts_ns, captured_at_ns)
            yield SourceFrame(
                pts_ns=pts_ns,
                captured_at_ns=captured_at_ns,
                clock="file",
                uncertainty_ms=0.0,
                width=picture.width,
                height=picture.height,
                image=picture.image,
                lag_ms=lag_ms,
                lost={**picture.lost, "untimed": untimed} if untimed else picture.lost,
                new_epoch=is_repeat and first_ns is None,
            )
            first_ns = pts_ns if first_ns is None else first_ns
            last_ns, step_ns, untimed = pts_ns, pts_ns - last_ns, 0
        if first_ns is None:
            why = "its pictures have no timestamps" if untimed else "not one picture can be decoded"
            raise SourceError(Reason.CODEC, f"{self._path}: {why}; convert it to MP4 with H.264")
        self._check_whole(container, stream, (last_ns - first_ns) / SECOND_NS)

    def _tapped(self, packet: Packet[VideoStream]) -> bool:
        """Every packet is worth decoding."""
        if self._tap is not None:
            self._tap.add(packet)
        return True

    def _pictures(self, container: InputContainer, stream: VideoStream) -> Iterator[Decoded]:
        try:
            yield from decoded(container, stream, str(self._path), wants=self._tapped)
        except SourceError as error:
            if error.reason is not Reason.CONNECTION_LOST:
                raise
            raise SourceError(
                Reason.CODEC, f"{self._path}: the file ends early, it is cut short or damaged"
            ) from error

    def _check_whole(self, container: InputContainer, stream: VideoStream, played_s: float) -> None:
        stated_s = _stated_duration_s(container, stream)
        frame_s = float(1 / stream.average_rate) if stream.average_rate else 0.0
        if played_s + 2 * frame_s + _MISSING_END_S < stated_s:
            raise SourceError(
                Reason.CODEC,
                f"{self._path}: the file ends early, at {played_s:.1f} s of {stated_s:.1f} s; "
                "it is cut short or damaged",
            )

    def _refuse_what_is_no_file(self) -> None:
        path = self._path
        if path.is_dir():
            raise SourceError(Reason.CODEC, f"{path} is a folder; give a video file")
        if not path.exists():
            raise SourceError(Reason.NOT_FOUND, f"there is no file {path}; check the path")
        if not os.access(path, os.R_OK):
            raise SourceError(Reason.PERMISSION, f"no permission to read {path}; check its mode")
        if path.is_file() and path.stat().st_size == 0:
            raise SourceError(Reason.CODEC, f"{path} is empty; give a video file")
        if path.is_file() and _first_bytes(path, len(_PLAYLIST)) == _PLAYLIST:
            raise SourceError(Reason.CODEC, f"{path} is a playlist; give its URL, or a video file")


def _stated_duration_s(container: InputContainer, stream: VideoStream) -> float:
    """The longest that the headers say: MP4, AVI and Matroska each have a place of their own."""
    stated_s = [0.0]
    if stream.duration is not None and stream.time_base is not None:
        stated_s.append(float(stream.duration * stream.time_base))
    if stream.frames and stream.average_rate:
        stated_s.append(float(stream.frames / stream.average_rate))
    if container.duration is not None and len(container.streams) == 1:  # else sound may be longer
        stated_s.append(container.duration / av.time_base)
    return max(stated_s)


def _first_bytes(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)
