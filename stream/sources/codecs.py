"""Which video codecs this machine's FFmpeg decodes."""

from __future__ import annotations

import av
from av.codec.codec import UnknownCodecError

_ASKED = ("h264", "hevc", "av1", "vp9", "mjpeg", "mpeg4")  # what cameras and files hold


def decodable() -> list[str]:
    """The codecs of cameras and files that can be decoded here, by FFmpeg's names."""
    return [name for name in _ASKED if _has_decoder(name)]


def _has_decoder(name: str) -> bool:
    try:
        av.codec.Codec(name, "r")
    except UnknownCodecError:
        return False
    return True
