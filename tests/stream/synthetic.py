"""What the ingest tests share: a small manifest, moving pictures, videos encoded on the spot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from engine.manifest import FlowEntry, Manifest
from stream.frame import SourceFrame

U8 = NDArray[np.uint8]
STEP_NS = 40_000_000  # of a 25 fps grid
MS_NS = 1_000_000


def small_manifest(**changes: object) -> Manifest:
    """A bundle's manifest at 25 fps and 64x48 px with a crop of 32."""
    fields: dict[str, object] = {
        "name": "small",
        "version": "1",
        "classes": ("walk", "wave"),
        "backbone": "mobilenet_v2",
        "segments": 3,
        "frames_per_segment": 10,
        "feature_width": 8,
        "hidden_width": 4,
        "input_size": 32,
        "resize": (64, 48),
        "grid_fps": 25.0,
        "sample_every": 1,
        "flows": {"dis": FlowEntry(bound_px=12.0)},
        "licence": "Apache-2.0",
    }
    return Manifest(**(fields | changes))  # type: ignore[arg-type]


def picture(tick: int, size: tuple[int, int] = (128, 96)) -> U8:
    """A smooth picture [H,W,3] that drifts to the right, different at every tick."""
    width, height = size
    x = np.arange(width)[None, :] - 2.0 * tick
    y = np.arange(height)[:, None]
    waves = [np.sin(x / (7 + c) + c) * np.cos(y / (9 - c)) for c in range(3)]
    return np.stack([np.rint(127 + 120 * wave) for wave in waves], axis=-1).astype(np.uint8)


def source_frame(pts_ns: int, image: U8, **changes: object) -> SourceFrame:
    """A frame as a source gives it."""
    fields: dict[str, object] = {
        "pts_ns": pts_ns,
        "captured_at_ns": 1_700_000_000_000_000_000 + pts_ns,
        "clock": "arrival",
        "uncertainty_ms": 1.0,
        "width": image.shape[1],
        "height": image.shape[0],
        "image": lambda: image,
    }
    return SourceFrame(**(fields | changes))  # type: ignore[arg-type]


def write_video(
    path: Path,
    pictures: Iterable[U8],
    *,
    fps: int = 25,
    times: Sequence[int] | None = None,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
) -> Path:
    """Encodes pictures [H,W,3]; `times` are in units of 1/(1000 fps) s, by default evenly."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = None
        for index, image in enumerate(pictures):
            if stream is None:
                stream = container.add_stream(codec, rate=fps)
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else pixels
                stream.time_base = Fraction(1, 1000 * fps)
                stream.codec_context.time_base = Fraction(1, 1000 * fps)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = 1000 * index if times is None else times[index]
            frame.time_base = Fraction(1, 1000 * fps)
            container.mux(stream.encode(frame))
        assert stream is not None
        container.mux(stream.encode(None))
    return path
