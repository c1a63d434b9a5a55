"""Decoding in an NVIDIA GPU's own unit (NVDEC), through FFmpeg.

What it decodes comes back into the host's memory and is the CPU's, byte for byte: the standards of
H.264, H.265 and VP9 leave no choice, and `planar` undoes the other order of the planes. Those of
older codecs leave the rounding to the decoder, so that these stay on the CPU.

What a GPU has turned out not to decode is the CPU's for as long as the process lives, and that is
said once. Sources are known by their masked URLs.
"""

from __future__ import annotations

import logging
from functools import cache

import av
from av.codec.hwaccel import HWAccel

_EXACT = frozenset({"h264", "hevc", "vp9"})
_PLANAR = {
    "nv12": "yuv420p",
    "p010le": "yuv420p10le",
    "p016le": "yuv420p12le",
    "nv16": "yuv422p",
    "p210le": "yuv422p10le",
}
_REMEDY = "look at nvidia-smi, and start a container with --gpus all and the capability video"

_log = logging.getLogger(__name__)
_on_cpu = set[str]()


def accelerator(shown: str) -> HWAccel | None:
    """For `av.open`; None where there is none, or not for this source.

    The first one takes hold of the GPU, for as long as this process lives.
    """
    if shown in _on_cpu:
        return None
    try:
        return _wanted(_context())
    except (av.FFmpegError, OSError):  # whose own words are for its log alone
        _warn_of_no_gpu()
        return None


def is_lost() -> bool:
    """Whether the GPU gives no more handles; what was held is let go then, to begin anew."""
    try:
        _made(_context())
    except (av.FFmpegError, OSError):
        _held.cache_clear()
        _warn_of_no_gpu()
        return True
    return False


def is_exact(shown: str, codec: str) -> bool:
    """Whether the GPU decodes it to the CPU's pictures; where it may not, that is said."""
    if codec not in _EXACT:
        _on_cpu.add(shown)
        _log.warning(
            "%s is in %s, which a GPU may decode to other pictures; the CPU decodes it",
            shown, codec,
        )  # fmt: skip
    return codec in _EXACT


def note_fallback(shown: str, codec: str) -> None:
    """The GPU was asked, and FFmpeg decodes on the CPU."""
    _on_cpu.add(shown)
    _log.warning(
        "%s is decoded on the CPU: the GPU doesn't decode %s of this profile or size, or the driver"
        " has no libnvcuvid.so.1; %s", shown, codec, _REMEDY,
    )  # fmt: skip


def give_up(shown: str, why: str) -> str:
    """Has it decoded on the CPU from its next opening on; the reason to tell."""
    _on_cpu.add(shown)
    return f"{why}; opened again, it is decoded on the CPU"


def planar(name: str) -> str | None:
    """The format that the CPU's decoder gives, for the one of NVDEC with the same bits.

    Converted from there to RGB, swscale gives the CPU's bytes; from NVDEC's, it rounds otherwise.
    None for what is planar already.
    """
    return _PLANAR.get(name)


def _context() -> str:
    """Which context FFmpeg takes: the process's own, "1", which all its sources then share.

    FFmpeg refuses that where others have opened it in another way ("0": one of its own).
    """
    try:
        _held("1")
    except (av.FFmpegError, OSError):
        _held("0")
        return "0"
    return "1"


@cache
def _held(context: str) -> HWAccel:
    """A handle that keeps the GPU's context alive: to make one takes longer than to open a file."""
    return _made(context)


def _made(context: str) -> HWAccel:
    return _wanted(context).create(av.codec.Codec("h264", "r"))


def _wanted(context: str) -> HWAccel:
    return HWAccel("cuda", options={"primary_ctx": context}, is_hw_owned=True)


@cache
def _warn_of_no_gpu() -> None:
    _log.warning(
        "what a GPU was to decode the CPU does: FFmpeg reaches no NVIDIA GPU, or too little of its"
        " memory is free; %s, or leave decoder out", _REMEDY,
    )  # fmt: skip
