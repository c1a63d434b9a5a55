"""What 8-bit graphs are calibrated on and measured with: clips, as a stream sees them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.arrays import U8
from engine.manifest import Manifest
from engine.recogniser import Sample
from training.data.annotations import VIDEO_SUFFIXES, Clip
from training.data.augment import Crop, standard_crops
from training.data.footage import Footage, images_of
from training.data.frame_store import FrameStore
from training.data.preparation import preparation_of
from training.data.prepare import prepare_clip
from training.errors import DataError
from training.golden import moving_pattern
from training.progress import Progress
from training.run import Run

IMAGES = 200  # of each stream that a bundle is calibrated on
HELD_OUT = 60  # clips at most that it is measured with: some 2000 predictions of JHMDB
_EVERY = 4  # each fourth of a folder's clips is held out


@dataclass(frozen=True, kw_only=True)
class Clips:
    """calibration: to take ranges and biases from. held_out: others, to measure with; may be empty.

    Both in an order drawn at random.
    """

    calibration: Sequence[Footage]
    held_out: Sequence[Footage]


def clips_of_run(run: Run) -> Clips:
    """A run's training clips; and those that it held out for its own calibration, or test clips.

    Raises DataError where none is prepared.
    """
    training: list[Footage] = []
    held_out: list[Footage] = []
    for name, described in run.recipe.sets.items():
        if described.trains:
            training += run.stored(name, run.clips(name)[0])
            held_out += run.stored(name, run.held_out(name) or run.clips(name)[1])
    return Clips(calibration=_shuffled(training), held_out=_shuffled(held_out)[:HELD_OUT])


@contextmanager
def clips_of_folder(folder: Path, manifest: Manifest, progress: Progress) -> Iterator[Clips]:
    """Every video under `folder`, prepared as the bundle wants it, for as long as the block lasts.

    Raises DataError where there are fewer than four, or one of them is damaged.
    """
    videos = sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    if len(videos) < _EVERY:
        raise DataError(
            f"{folder} holds {len(videos)} videos: {_EVERY} are needed at least, and a hundred or "
            "more, which show what the cameras will, make a good calibration."
        )
    chosen = [videos[place] for place in _order(len(videos))[: IMAGES + HELD_OUT]]
    with tempfile.TemporaryDirectory(prefix="gesta-clips-") as scratch:
        store = FrameStore(Path(scratch), preparation_of(manifest, manifest.default_flow))
        clips = [Clip(path, f"{number}") for number, path in enumerate(chosen)]
        with progress.task("prepare", len(clips)) as advance:
            for clip in clips:
                prepare_clip(clip, store)
                advance()
        footage = [store.open(clip) for clip in clips]
        held_out = footage[::_EVERY][:HELD_OUT]
        yield Clips(
            calibration=[each for each in footage if each not in held_out], held_out=held_out
        )


def calibration_images(clips: Sequence[Footage], manifest: Manifest) -> tuple[U8, U8]:
    """Frames [T, S, S, 3] and stacks [T, 20, S/p, S/p]: a tick of each clip, of some more than one.

    They are read at random from the middle of the clips too: a clip's first stacks repeat a pair.
    """
    draw = np.random.default_rng(0)
    frames, stacks = [], []
    for number in range(IMAGES):
        clip = clips[number % len(clips)]
        rgb, flow = _images(clip, [int(draw.integers(clip.ticks))], manifest)
        frames.append(rgb)
        stacks.append(flow)
    return np.concatenate(frames), np.concatenate(stacks)


def drawn_images(manifest: Manifest) -> tuple[U8, U8]:
    """The same from a drawn pattern: for bundles whose weights are random."""
    pattern = moving_pattern(
        16,
        size_px=manifest.input_size,
        flow_px=manifest.flow_size,
        flow_channels=manifest.flow_channels,
        seed=1,  # others than the golden inputs
    )
    return pattern.frames, pattern.stacks


def samples_of(clips: Sequence[Footage], manifest: Manifest) -> Iterator[Sample]:
    """What a stream samples of each clip, as a camera of its own."""
    for number, clip in enumerate(clips):
        for tick in range(0, clip.ticks, manifest.sample_every):
            [rgb], [flow] = _images(clip, [tick], manifest)
            yield Sample(camera=f"clip{number}", epoch=0, tick=tick, rgb=rgb, flow=flow)


def _images(clip: Footage, ticks: Sequence[int], manifest: Manifest) -> tuple[U8, U8]:
    side = manifest.input_size
    crop: Crop = standard_crops(clip.size, side)[0]  # the stream's
    return (
        images_of(clip, "rgb", ticks, crop, side=side),
        images_of(clip, "flow", ticks, crop, side=side),
    )


def _shuffled(clips: Sequence[Footage]) -> list[Footage]:
    return [clips[place] for place in _order(len(clips))]


def _order(count: int) -> list[int]:
    return [int(place) for place in np.random.default_rng(0).permutation(count)]
