"""Small clips encoded for a test: a square that goes left or right."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_clip(
    path: Path,
    *,
    frames: int = 16,
    step_px: int = 4,
    skip: frozenset[int] = frozenset(),
    width: int = 64,
    form: str | None = None,
) -> None:
    """A bright square on noise, 64x48 at 25 fps; frames in `skip` are left out of the file.

    form: the container, where the path's ending doesn't say it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    ground = np.random.default_rng(0).integers(0, 90, (48, width, 3)).astype(np.uint8)
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 25)
        for tick in range(frames):
            if tick in skip:
                continue
            image = ground.copy()
            left = (8 + tick * step_px) % 48
            image[16:32, left : left + 16] = 230
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_clip_of_changing_size(path: Path) -> None:
    """As a stream that switched its camera while it was recorded: first 64, then 80 px wide."""
    parts = [path.with_suffix(f".{width}") for width in (64, 80)]
    for part, width in zip(parts, (64, 80), strict=True):
        write_clip(part, width=width, form="mpegts")
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    for part in parts:
        part.unlink()
