"""Does spatial attention look at what moves? On clips with a moving person and a still camera.

In each frame the moving region is where the stored flow that ends at it is longer than
`MOVING_PX`. The attention inside is held against the region's share of the area, which is what an
even attention map would have inside: their quotient is 1 where attention doesn't care.

Shapes: T frames, S crop side in px, h w rows and columns of the attention map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from engine.arrays import F32
from engine.flow.quantise import dequantise
from training.data.augment import Crop, standard_crops
from training.data.footage import images_of
from training.data.frame_store import StoredClip
from training.data.sampling import global_ticks
from training.frozen import FrozenStream
from training.model.build import Modality
from training.model.sta_tsn import SpatialStream
from training.progress import Progress

STILL_PX = 0.25  # the camera is still where the median flow of its frames stays below this
MOVING_PX = 1.0  # per grid step, at the stored size
LEAST_AREA, MOST_AREA = 0.01, 0.5  # of a frame that has a moving region beside a still background
FRAMES = 30  # of a clip, spread over it


def attention_focus(
    streams: Mapping[Modality, SpatialStream | FrozenStream],
    clips: Sequence[StoredClip],
    *,
    side: int,
    bound_px: float,
    progress: Progress,
) -> dict[str, Any]:
    """How much of each stream's attention lies in the moving region, centre crop.

    Returns counts and, by stream, the means over clips: `inside`, the attention in the region;
    `area`, the region's share; `focus`, their quotient; and `clips_above`, in how many clips more
    attention is inside than an even map would have there. `streams` is empty where no clip fits.
    """
    found: dict[Modality, list[tuple[float, float]]] = {modality: [] for modality in streams}
    still, used, frames = 0, 0, 0
    with progress.task("attention inside moving regions", len(clips)) as advance:
        for clip in clips:
            crop = standard_crops(clip.size, side)[0]
            ticks = global_ticks(clip.ticks, FRAMES)
            times = clip.flow_downsampling
            length = flow_length(clip.stacks_at(ticks), bound_px)  # [T, H/p, W/p]
            if camera_is_still(length * times):
                still += 1
                moving = crop_of(length, crop.reduced(times)) > MOVING_PX / times  # [T, S/p, S/p]
                share = moving.mean((1, 2))
                chosen = np.flatnonzero((share >= LEAST_AREA) & (share <= MOST_AREA))
                if len(chosen):
                    used, frames = used + 1, frames + len(chosen)
                    for modality, stream in streams.items():
                        at = [ticks[i] for i in chosen]
                        images = images_of(clip, modality, at, crop, side=side)
                        inside = attention_inside(attention_maps(stream, images), moving[chosen])
                        found[modality].append((float(inside.mean()), float(share[chosen].mean())))
            advance()
    return {
        "clips": len(clips),
        "still_camera": still,
        "used": used,
        "frames": frames,
        "still_px": STILL_PX,
        "moving_px": MOVING_PX,
        "streams": {modality: _summary(pairs) for modality, pairs in found.items() if pairs},
    }


def flow_length(stacks: NDArray[np.uint8], bound_px: float) -> F32:
    """Stacks [T, 20, H, W] -> the length of the newest flow of each, in px [T, H, W]."""
    newest = dequantise(stacks[:, -2:], bound_px)  # [T, 2, H, W]
    return np.hypot(newest[:, 0], newest[:, 1])


def camera_is_still(length: F32) -> bool:
    """Whether the background stands still: half of each frame and more, in the median frame."""
    return float(np.median(np.median(length, axis=(1, 2)))) < STILL_PX


def crop_of(planes: F32, crop: Crop) -> F32:
    """[T, H, W] -> [T, S, S], the part that the crop shows, at its stored size."""
    rows = slice(crop.top, crop.top + crop.height)
    return planes[:, rows, crop.left : crop.left + crop.width]


def attention_inside(attention: F32, moving: NDArray[np.bool_]) -> F32:
    """Attention [T, h, w], each summing to 1, and moving [T, S, S] -> what lies inside, [T].

    The attention of a map's cell is spread evenly over the pixels that it stands for, so an even
    map gives exactly the region's share of the area.
    """
    rows, columns = attention.shape[1:]
    cells = np.stack(  # [T, h, w]: the share of each cell that moves
        [
            cv2.resize(region.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
            for region in moving
        ]
    )
    inside: F32 = (attention * cells).sum((1, 2))
    return inside


def attention_maps(stream: SpatialStream | FrozenStream, images: NDArray[np.uint8]) -> F32:
    """Images as the stream takes them, [T, ...] -> its attention [T, h, w]."""
    with torch.inference_mode():
        maps = [
            stream(torch.from_numpy(part).to(stream.device))[1].float().cpu()
            for part in _parts(images)
        ]
    return torch.cat(maps).numpy()


def _parts(images: NDArray[np.uint8], size: int = 16) -> list[NDArray[np.uint8]]:
    return [images[start : start + size] for start in range(0, len(images), size)]


def _summary(pairs: Sequence[tuple[float, float]]) -> dict[str, float]:
    """pairs: attention inside, and share of the area, of each clip."""
    inside, area = np.array(pairs).T
    return {
        "inside": float(inside.mean()),
        "area": float(area.mean()),
        "focus": float(inside.mean() / area.mean()),
        "clips_above": int((inside > area).sum()),
    }
