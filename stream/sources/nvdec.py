"""Decoding in an NVIDIA GPU's own unit (NVDEC), through FFmpeg.

What it decodes comes back into the host's memory and is the CPU's, byte for byte: the standards of
H.264, H.265 and VP9 leave no choice, and `planar` undoes the other order of the planes. Those of
older codecs leave the rounding to the decoder, so that these stay on the CPU.
"""

from __future__ import annotations

import logging
from functools import cache

import av
from av.codec.hwaccel import HWAccel

_EXACT = frozenset({"h264", "hevc", "vp9"})
_REMEDY = "look at nvidia-smi, and start a container with --gpus all and the capability video"

_log = logging.getLogger(__name__)
_given_up = set[str]()


def accelerator(shown: str) -> HWAccel | None:
    """For `av.open`; None where there is none, with a warning that names `shown`.

    The first one takes hold of the GPU, for as long as this process lives.
    """
    if shown in _given_up:
        return None
    try:
        context = _context()
    except (av.FFmpegError, OSError):  # whose own words are for its log alone
        _log.warning(
            "%s is decoded on the CPU: FFmpeg reaches no NVIDIA GPU; %s, or leave decoder out",
            shown, _REMEDY,
        )  # fmt: skip
        return None
    return HWAccel("cuda", options={"primary_ctx": context}, is_hw_owned=True)


@cache
def _held(context: str) -> HWAccel:
    """A handle that keeps the GPU's context alive: to make one takes longer than to open a file."""
    wanted = HWAccel("cuda", options={"primary_ctx": context}, is_hw_owned=True)
    return wanted.create(av.codec.Codec("h264", "r"))


def _context() -> str:
    """Which context FFmpeg takes: the process's own, "1", which all its cameras then share.

    FFmpeg refuses that where others have opened it in another way ("0": one of its own).
    """
    try:
        _held("1")
    except (av.FFmpegError, OSError):
        _held("0")
        return "0"
    return "1"


def is_exact(shown: str, codec: str) -> bool:
    """Whether the GPU decodes it to the CPU's pictures; where it may not, that is said."""
    if codec not in _EXACT:
        _log.warning(
            "%s is in %s, which a GPU may decode to other pictures; the CPU decodes it",
            shown, codec,
        )  # fmt: skip
    return codec in _EXACT


def let_go() -> None:
    """Lets go of the GPU, which may have been lost; the next one takes hold of it anew."""
    _held.cache_clear()


def give_up(shown: str) -> str:
    """Has what fails on the GPU decoded on the CPU from its next opening on; the reason to tell."""
    _given_up.add(shown)
    return (
        f"the GPU decodes nothing of {shown} (its memory may be full); from now on the CPU does, "
        "until the daemon is started again"
    )


def warn_of_fallback(shown: str, codec: str) -> None:
    """Says that the GPU was asked, and FFmpeg decodes on the CPU."""
    _log.warning(
        "%s is decoded on the CPU: the GPU doesn't decode this %s (its profile or size, or the"
        " driver's libnvcuvid.so.1 is missing: %s)", shown, codec, _REMEDY,
    )  # fmt: skip


def planar(name: str) -> str | None:
    """The format that the CPU's decoder gives, for the one of NVDEC with the same bits.

    Converted from there to RGB, swscale gives the CPU's bytes; from NVDEC's, it rounds otherwise.
    None for what is planar already.
    """
    return {"nv12": "yuv420p", "p010le": "yuv420p10le", "p016le": "yuv420p12le"}.get(name)
