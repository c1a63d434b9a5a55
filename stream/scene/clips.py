"""Scenes on disk: labelled clips for training, and long streams with their truth.

By agreement training uses seeds below 100000; tests on unseen scenes use seeds from 1000000 on.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stream.errors import ConfigError, PublishError
from stream.scene.scene import ACTIONS, IDLE, Scene
from stream.scene.shapes import U8
from stream.scene.street import STREET_LABELS, Street

FIRST_TEST_SEED = 1_000_000
LABELS = (*ACTIONS, IDLE)
Drawn = Scene | Street
_SHORTEST_S, _LONGEST_S = 0.96, 1.8  # like the clips of JHMDB: 24 to 45 frames at 25 fps


@dataclass(frozen=True)
class Clip:
    """A written clip: `first_tick` of the scene of `seed`, and its number of frames."""

    path: Path
    label: str
    seed: int
    first_tick: int
    frames: int


def write_clips(
    out: Path,
    *,
    clips_per_label: int,
    first_seed: int = 0,
    labels: Sequence[str] | None = None,
    street: bool = False,
    size: tuple[int, int] = (320, 240),
    fps: float = 25.0,
    show_progress: bool = True,
) -> list[Clip]:
    """Write OUT/LABEL/scene_SEED_NN.mp4 (H.264) and OUT/labels.csv, one seed for each clip.

    labels: all that can be drawn where it is None. street: of a `Street`, street_SEED_NN.mp4.

    A clip is cut from inside one labelled interval and lasts 0.96 to 1.8 s. Clip n of the labels
    in turn is of seed first_seed + n, so a run uses clips_per_label * len(labels) seeds. Clips
    that are already in `out` stay unless they bear the same name; labels.csv lists this run's.

    Raises ConfigError for an unknown label, size or rate, PublishError where `out` can't be
    written.
    """
    if clips_per_label < 1:
        raise ConfigError(f"{clips_per_label} clips for each label is too few; give 1 or more.")
    if labels is None:
        labels = labels_of(street=street)
    if not labels:
        raise ConfigError("no label is given; name at least one, or leave the choice out for all.")
    drawn: type[Drawn] = Street if street else Scene
    drawn(first_seed, *size, fps=fps, labels=labels)  # refuses what can't be drawn before writing
    jobs = [(label, n) for label in labels for n in range(clips_per_label)]
    clips: list[Clip] = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        with _progress(show_progress) as progress:
            task = progress.add_task("clips", total=len(jobs))
            for seed, (label, n) in enumerate(jobs, first_seed):
                clips.append(_write_clip(out, drawn, label, seed, n, size, fps))
                progress.advance(task)
        with (out / "labels.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(("path", "label", "seed", "first_tick", "frames"))
            for c in clips:
                path = c.path.relative_to(out).as_posix()
                rows.writerow((path, c.label, c.seed, c.first_tick, c.frames))
    except OSError as error:
        raise _unwritable(out, error) from error
    return clips


def write_stream(
    out: Path,
    *,
    seed: int,
    duration_s: float,
    size: tuple[int, int] = (640, 480),
    fps: float = 25.0,
    labels: Sequence[str] | None = None,
    street: bool = False,
    show_progress: bool = True,
) -> Path:
    """Write one long scene as an MP4 and its truth beside it as OUT's name with .json.

    The JSON holds seed, fps, size and the intervals (label, start_tick, end_tick), where tick n is
    frame n of the file. Returns the JSON's path. Raises as `write_clips` does.
    """
    if not math.isfinite(duration_s) or round(duration_s * fps) < 1:
        raise ConfigError(
            f"a stream can't last {duration_s:g} s; give a number of seconds above 0."
        )
    ticks = round(duration_s * fps)
    drawn: type[Drawn] = Street if street else Scene
    if labels is None:
        labels = labels_of(street=street)
    scene = drawn(seed, *size, fps=fps, labels=labels)
    truth = out.with_suffix(".json")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with _progress(show_progress) as progress:
            frames = progress.track(scene.frames(range(ticks)), total=ticks, description="frames")
            _encode(out, (frame.image for frame in frames), size, fps)
        intervals = [
            {"label": i.label, "start_tick": i.start_tick, "end_tick": i.end_tick}
            for i in scene.intervals_until(ticks)
        ]
        about = {"seed": seed, "fps": fps, "size": list(size), "intervals": intervals}
        truth.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise _unwritable(out, error) from error
    return truth


def labels_of(*, street: bool) -> tuple[str, ...]:
    """What can be drawn."""
    return STREET_LABELS if street else LABELS


def _write_clip(
    out: Path,
    drawn: type[Drawn],
    label: str,
    seed: int,
    number: int,
    size: tuple[int, int],
    fps: float,
) -> Clip:
    # Somebody rests between two actions of a scene; a street is empty or it isn't.
    shown = ACTIONS if label == IDLE and drawn is Scene else (label,)
    scene = drawn(seed, *size, fps=fps, labels=shown)
    rng = np.random.default_rng([seed, 2])
    first, frames = _cut(scene, label, rng, fps)
    folder = out / label
    folder.mkdir(exist_ok=True)
    path = folder / f"{drawn.__name__.lower()}_{seed:07d}_{number:02d}.mp4"
    images = (frame.image for frame in scene.frames(range(first, first + frames)))
    _encode(path, images, size, fps)
    return Clip(path, label, seed, first, frames)


def _cut(scene: Drawn, label: str, rng: np.random.Generator, fps: float) -> tuple[int, int]:
    """(first tick, frames) of a random cut inside one of the scene's first such intervals."""
    skip = int(rng.integers(4)) if label == IDLE else 0
    shortest, longest = round(_SHORTEST_S * fps), round(_LONGEST_S * fps)
    for interval in scene.intervals():
        ticks = interval.end_tick - interval.start_tick
        if interval.label != label or ticks < shortest:
            continue
        if skip:
            skip -= 1
            continue
        frames = int(rng.integers(shortest, min(longest, ticks) + 1))
        return interval.start_tick + int(rng.integers(ticks - frames + 1)), frames
    raise AssertionError("a scene never ends")


def _encode(path: Path, images: Iterable[U8], size: tuple[int, int], fps: float) -> None:
    """Encode RGB frames as H.264 with the encoder that this PyAV has."""
    rate = Fraction(fps).limit_denominator(1001)
    with av.open(str(path), "w") as container:
        stream = _video_stream(container, rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1  # the same bytes on every machine
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def _video_stream(container: av.container.OutputContainer, rate: Fraction) -> av.VideoStream:
    try:
        return container.add_stream("libx264", rate, options={"crf": "20", "preset": "veryfast"})
    except av.codec.codec.UnknownCodecError:
        return container.add_stream("h264", rate, options={"b": "1500000"})


def _progress(shown: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    # On stderr: whoever reads our output may stop doing so, and the clips are still wanted.
    return Progress(
        *columns, TimeRemainingColumn(), console=Console(stderr=True), disable=not shown
    )


def _unwritable(out: Path, error: OSError) -> PublishError:
    return PublishError(
        f"{out} can't be written: {error.strerror or error}; choose another folder."
    )
