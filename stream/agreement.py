"""`gesta check --clips`: how often a precision gives fp32's answers, on clips of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.agreement import Agreement, compare
from engine.device import open_graphs
from engine.recogniser import Recogniser, Sample
from stream.configuration.config import CameraConfig
from stream.errors import ConfigError
from stream.opening import Engine, Opening, Say
from stream.sources.open import open_source
from stream.sources.source import SourceOptions

VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".webm")


def measure_agreement(folder: Path, opening: Opening, engine: Engine, say: Say) -> Agreement:
    """Every video under `folder`, by the very path that a camera takes, in fp32 and by `engine`.

    Raises:
        ConfigError: there is no video. SourceError: one of them can't be read.
        EngineError: the engine fails.
    """
    clips = sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEOS)
    if not clips:
        raise ConfigError(f"{folder} holds no videos ({', '.join(VIDEOS)}); name another folder")
    reference = open_graphs(opening.bundle, "cpu", "fp32", progress=say)
    try:
        return compare(
            _samples(clips, opening, say),
            Recogniser(opening.bundle, reference),
            engine.recogniser,
        )
    finally:
        reference.close()


def _samples(clips: list[Path], opening: Opening, say: Say) -> Iterator[Sample]:
    """What the clips give, each as a camera of its own."""
    for number, clip in enumerate(clips):
        say(f"comparing with fp32: clip {number + 1} of {len(clips)}")
        sampler = opening.open_sampler(CameraConfig(name=f"clip{number}", url=str(clip)))
        source = open_source(str(clip), SourceOptions())
        try:
            source.open()
            for frame in source.frames():
                yield from (each.sample for each in sampler.push(frame))
        finally:
            source.close()
