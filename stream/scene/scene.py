"""The scene: frames without end of a drawn actor, with what it truly does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stream.errors import ConfigError
from stream.scene.performance import Performance
from stream.scene.schedule import ACTIONS, IDLE, Interval, Shot, intervals_until, shots
from stream.scene.shapes import U8

__all__ = ["ACTIONS", "IDLE", "Scene", "SceneFrame"]

SMALLEST_PX, LARGEST_PX = 64, 4096


@dataclass(frozen=True)
class SceneFrame:
    """image uint8 [H,W,3] RGB; progress 0..1 through the interval that `label` names."""

    image: U8
    tick: int
    label: str
    progress: float


@dataclass(frozen=True)
class SceneStep:
    """A frame not drawn yet; `draw` gives its image until the next step is taken."""

    tick: int
    label: str
    progress: float
    draw: Callable[[], U8]


class Scene:
    """An endless procedural scene. The same arguments give the same frames, bit for bit.

    seed: chooses everything. Seeds below 100000 are for training, from 1000000 on for tests.
    width, height in pixels, even; fps: frames a second of scene time.
    labels: the actions to perform, all of ACTIONS if not given.
    Raises ConfigError for an unknown label, a size or a rate that can't be drawn.
    """

    def __init__(
        self,
        seed: int,
        width: int = 640,
        height: int = 480,
        fps: float = 25.0,
        labels: Sequence[str] = ACTIONS,
    ) -> None:
        check_picture(seed, width, height, fps)
        unknown = [label for label in labels if label not in (*ACTIONS, IDLE)]
        if unknown:
            raise ConfigError(
                f"the scene can't perform {', '.join(unknown)}; "
                f"it knows {', '.join((*ACTIONS, IDLE))}."
            )
        self.seed, self.width, self.height, self.fps = seed, width, height, fps
        self._labels = tuple(labels)

    def __iter__(self) -> Iterator[SceneFrame]:
        return self.frames()

    def frames(self, wanted: range | None = None) -> Iterator[SceneFrame]:
        """Frames from tick 0 on without end, or those of the `wanted` ticks (step 1) only."""
        for step in self.steps(wanted.start if wanted else 0):
            if wanted is not None and step.tick >= wanted.stop:
                return
            yield SceneFrame(step.draw(), step.tick, step.label, step.progress)

    def steps(self, first_tick: int = 0) -> Iterator[SceneStep]:
        """The same, undrawn, for who doesn't need each picture; from `first_tick` on."""
        for number, shot in enumerate(self._shots()):
            if shot.end_tick <= first_tick:
                continue
            seed = (self.seed, 1, number)
            performance = Performance(shot, seed, self.width, self.height, self.fps)
            for interval in (beat.interval for beat in shot.beats):
                length = interval.end_tick - interval.start_tick
                for tick in range(interval.start_tick, interval.end_tick):
                    performance.move_to(tick)
                    if tick >= first_tick:
                        done = (tick - interval.start_tick) / length
                        yield SceneStep(tick, interval.label, done, performance.draw)

    def intervals(self) -> Iterator[Interval]:
        """The truth without end: contiguous labelled intervals from tick 0 on."""
        for shot in self._shots():
            for beat in shot.beats:
                yield beat.interval

    def intervals_until(self, tick: int) -> list[Interval]:
        """The intervals that begin before `tick`, the last one cut there."""
        return intervals_until(self.intervals(), tick)

    def _shots(self) -> Iterator[Shot]:
        rng = np.random.default_rng([self.seed, 0])
        return shots(rng, self.fps, [label for label in self._labels if label != IDLE])


def check_picture(seed: int, width: int, height: int, fps: float) -> None:
    """Raises ConfigError for a seed, a size or a rate that can't be drawn."""
    if seed < 0:
        raise ConfigError(f"scene seed {seed} is negative; give a whole number from 0 on.")
    if not all(SMALLEST_PX <= side <= LARGEST_PX and side % 2 == 0 for side in (width, height)):
        raise ConfigError(
            f"scene size {width}x{height} can't be drawn; "
            f"give even numbers from {SMALLEST_PX} to {LARGEST_PX}, such as 640x480."
        )
    if not 1.0 <= fps <= 120.0:
        raise ConfigError(f"scene rate {fps:g} fps is out of range; give 1 to 120.")
