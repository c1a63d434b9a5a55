"""Random training batches of the first stage: one frame or stack from each third of each clip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.arrays import U8
from training.data.augment import Crops, random_colours, random_crop, slow_camera
from training.data.far_view import random_far_view
from training.data.footage import images_of
from training.data.frame_store import StoredClip
from training.data.prefetch import prefetched
from training.data.sampling import global_ticks
from training.model.build import FLOW_CHANNELS, Modality

# Of the flow stacks: webcams in dim light and cheap cameras give 10 to 20 frames a second.
SLOW_CAMERAS = 0.2


@dataclass(frozen=True)
class Batch:
    number: int  # of the micro-batch in the epoch, from 0
    images: Tensor  # uint8 [B, N, S, S, 3], or [B, N, 20, S, S]
    labels: Tensor  # int64 [B]


def draw(
    sets: Mapping[str, Sequence[StoredClip]],
    counts: Mapping[str, int],
    rng: np.random.Generator,
) -> list[StoredClip]:
    """One epoch's clips: `counts` of each set, shuffled; a set is gone through first."""
    chosen: list[StoredClip] = []
    for name, count in counts.items():
        clips = sets[name]
        order = np.concatenate(
            [rng.permutation(len(clips)) for _ in range(-(-count // len(clips)))]
        )
        chosen += [clips[index] for index in order[:count]]
    return [chosen[index] for index in rng.permutation(len(chosen))]


def batches(
    clips: Sequence[StoredClip],
    classes: Sequence[str],
    modality: Modality,
    *,
    segments: int,
    side: int,
    size: int,
    seed: Sequence[int],
    crops: Crops = "anywhere",
    far: float = 0.0,
    numbers: Sequence[int] | None = None,
    threads: int = 0,
    pinned: bool = False,
    flows: Sequence[str] = (),
) -> Iterator[Batch]:
    """`clips` in their order, `size` at a time, each cropped, mirrored and coloured at random.

    What happens to a clip follows from `seed` and its place alone, whoever prepares it.

    Args:
        far: the part of the clips that is seen from further away.
        numbers: of the batches to give, all where None. threads: that prepare them ahead.
        pinned: in memory that a GPU copies from by itself.
        flows: each clip's flow is drawn from those of these that it has; the one it is bound to
            where there are none.
    """
    number_of = {label: index for index, label in enumerate(classes)}
    shape = (side, side, 3) if modality == "rgb" else (FLOW_CHANNELS, side, side)

    def prepare(number: int) -> Batch:
        part = clips[number * size : (number + 1) * size]
        images = torch.empty((len(part), segments, *shape), dtype=torch.uint8, pin_memory=pinned)
        into = images.numpy()
        for index, clip in enumerate(part):
            rng = np.random.default_rng((*seed, number * size + index))
            drawn = clip if modality == "rgb" else _with_random_flow(clip, flows, rng)
            into[index] = random_view(
                drawn, modality, segments=segments, side=side, crops=crops, far=far, rng=rng
            )
        return Batch(number, images, torch.tensor([number_of[clip.label] for clip in part]))

    if numbers is None:
        numbers = range(-(-len(clips) // size))
    return prefetched(prepare, numbers, threads)


def random_view(
    clip: StoredClip,
    modality: Modality,
    *,
    segments: int,
    side: int,
    crops: Crops = "anywhere",
    far: float = 0.0,
    rng: np.random.Generator,
) -> U8:
    """One frame [N, S, S, 3] or stack [N, 20, S, S] from each of `segments` parts of a clip.

    far: the probability of a view from further away in place of a crop, unless the clip was taken
    from afar.
    """
    ticks = global_ticks(clip.ticks, segments, rng)
    is_far = (
        far > 0 and not clip.from_afar and rng.random() < far
    )  # without it, what is drawn is what it always was
    crop = random_far_view(rng) if is_far else random_crop(clip.size, rng, crops=crops)
    if modality == "rgb":
        return random_colours(images_of(clip, "rgb", ticks, crop, side=side), rng)
    stacks = images_of(clip, "flow", ticks, crop, side=side * clip.flow_downsampling)
    if rng.random() < SLOW_CAMERAS:
        return slow_camera(stacks, rate=rng.uniform(0.4, 0.9), phase=rng.random())
    return stacks


def _with_random_flow(
    clip: StoredClip, flows: Sequence[str], rng: np.random.Generator
) -> StoredClip:
    has = [flow for flow in flows if flow == clip.flow_name or flow in clip.other_flows]
    if len(has) > 1:
        return clip.with_flow(has[int(rng.integers(len(has)))])
    return clip.with_flow((has or flows)[0]) if flows else clip
