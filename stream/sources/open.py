"""From a URL to the class that reads it."""

from __future__ import annotations

import re

from stream.errors import Reason, SourceError
from stream.sources.source import Source, SourceOptions
from stream.url import is_network, mask

_NETWORK = ("rtsp://", "rtsps://", "http://", "https://")
_DEVICE = re.compile(r"/dev/video\d+|/dev/v4l/by-(id|path)/[^/]+|webcam:\d*")


def is_file(url: str) -> bool:
    """True for what comes to an end by itself: a path or file://."""
    return not (is_network(url) or url.startswith("scene:") or _DEVICE.fullmatch(url))


def open_source(url: str, options: SourceOptions | None = None) -> Source:
    """The source for a URL: rtsp(s)://, http(s)://, /dev/videoN (or its lasting name
    below /dev/v4l/), webcam:N, scene:, or a file.

    It is made, not opened yet. Raises SourceError for a URL that nothing here reads.
    """
    options = SourceOptions() if options is None else options
    # Imported here, so that a scene needs no FFmpeg and a camera no scene.
    if url.lower().startswith(_NETWORK):
        from stream.sources.network import NetworkSource

        return NetworkSource(url, options)
    if url.startswith("scene:"):
        from stream.sources.scene import SceneSource

        return SceneSource(url)
    if _DEVICE.fullmatch(url):
        from stream.sources.webcam import WebcamSource

        return WebcamSource(url, options)
    if is_file(url):
        from stream.sources.file import FileSource

        return FileSource(url, options)
    raise SourceError(
        Reason.NOT_FOUND,
        f"{mask(url)} can't be opened; use rtsp://, rtsps://, http://, https://, a file, "
        "/dev/videoN, webcam:N or scene:",
    )
