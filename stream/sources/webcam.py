"""Webcams and capture cards through V4L2: /dev/videoN, or webcam:N for short.

A driver that is not asked keeps what it was last set to, often the largest picture at a few a
second; so it is asked for what the model needs, and what it gives instead is taken. FFmpeg waits
for a picture inside the driver, where none of its own timeouts counts: the device is therefore
opened not to block, and the waiting is done here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from av.container import InputContainer
from av.video.stream import VideoStream

from engine.grid import SECOND_NS
from stream.errors import Reason, SourceError
from stream.frame import SourceFrame
from stream.sources.ffmpeg import decoded, open_container, video_of
from stream.sources.source import SourceOptions, StreamInfo
from stream.sources.timing import CaptureClock

DEVICE_UNCERTAINTY_MS = 20.0
_FRESH_NS = 2 * SECOND_NS
_WISHES = {"video_size": "640x480", "framerate": "30"}
_NO_BLOCKING = {"fflags": "+4"}  # AVFMT_FLAG_NONBLOCK, for which FFmpeg has no word


class WebcamSource:
    """A V4L2 device. Frames carry the driver's own monotonic timestamps, where it has them."""

    live = True

    def __init__(
        self,
        device: str,
        options: SourceOptions,
        *,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        utc_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        number = device.removeprefix("webcam:")
        self._device = Path(device if number == device else f"/dev/video{number or 0}")
        self._options = options
        self._monotonic_ns, self._utc_ns = monotonic_ns, utc_ns
        self._container: InputContainer | None = None
        self._stream: VideoStream | None = None

    def open(self) -> StreamInfo:
        """Opens the device; SourceError where it is missing, forbidden or in use."""
        device = str(self._device)
        if not self._device.exists():
            raise SourceError(
                Reason.NOT_FOUND, f"there is no device {device}; plug it in, or see ls /dev/video*"
            )
        if not os.access(device, os.R_OK | os.W_OK):
            raise SourceError(
                Reason.PERMISSION,
                f'no permission for {device}; add the user to its group (mostly "video")',
            )
        try:
            self._container = self._opened(_WISHES)
        except SourceError as error:
            if error.reason is not Reason.CODEC:
                raise
            self._container = self._opened({})  # some drivers refuse to be asked
        self._stream, info = video_of(self._container, device, "v4l2")
        return info

    def frames(self) -> Iterator[SourceFrame]:
        """Frames until the device goes; SourceError(STALL) where it stops sending."""
        container, stream = self._container, self._stream
        if container is None or stream is None:
            raise SourceError(Reason.NOT_FOUND, f"{self._device} is not open")
        clock = CaptureClock(utc_ns=self._utc_ns, monotonic_ns=self._monotonic_ns)
        options = self._options
        for picture in decoded(
            container,
            stream,
            str(self._device),
            stall_s=options.stall_s,
            wait=options.wait,
            is_lent=True,
        ):
            now_ns = self._monotonic_ns()
            pts_ns = now_ns if picture.pts_ns is None else picture.pts_ns
            stamp = clock.stamp(pts_ns, picture.waited_ns)
            is_device_time = 0 <= now_ns - pts_ns < _FRESH_NS and pts_ns != now_ns
            yield SourceFrame(
                pts_ns=pts_ns,
                captured_at_ns=(
                    self._utc_ns() - (now_ns - pts_ns) if is_device_time else stamp.captured_at_ns
                ),
                clock="device" if is_device_time else "arrival",
                uncertainty_ms=DEVICE_UNCERTAINTY_MS if is_device_time else stamp.uncertainty_ms,
                width=picture.width,
                height=picture.height,
                image=picture.image,
                lag_ms=stamp.lag_ms,
                lost=picture.lost,
            )

    def close(self) -> None:
        """Lets the device go."""
        container, self._container, self._stream = self._container, None, None
        if container is not None:
            container.close()

    def _opened(self, wishes: Mapping[str, str]) -> InputContainer:
        device = str(self._device)
        return open_container(
            device,
            device,
            {**_NO_BLOCKING, **wishes},
            open_timeout_s=self._options.open_timeout_s,
            container_format="v4l2",
        )
