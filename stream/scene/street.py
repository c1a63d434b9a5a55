"""A street from above: a camera that hangs high and stands still, and several small people in it.

The drawn actor of `Scene` fills the picture, as actors of data sets do. Surveillance cameras see
people like these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stream.errors import ConfigError
from stream.scene.body import F64, solve
from stream.scene.figure import Figure
from stream.scene.motion import Style
from stream.scene.scene import SceneFrame, check_picture
from stream.scene.schedule import ACTION_TABLE, IDLE, Interval, intervals_until
from stream.scene.shapes import U8, draw
from stream.scene.stage import Backdrop, Camera, Grain, Light, shadow

STREET_ACTIONS = ("run", "walk")  # what several people do at once, each on a way of their own
STREET_LABELS = (*STREET_ACTIONS, IDLE)
_SHOT_S = (5.0, 12.0)
_PEOPLE = (1, 8)  # from, up to and not including
_SIZES = (0.09, 0.3)  # a person's height in the middle of the picture, as a share of the picture's
_NEAREST = 0.42  # where they are half-way at most, down from the middle, as a share of the picture


class Street:
    """Frames without end of a street on which everybody walks, or runs, or nobody is there.

    Arguments, frames and truth are those of `Scene`; each shot has its own street, and one label.

    Raises ConfigError for no label, one that is none of STREET_ACTIONS and `idle`, or a size or a
    rate that can't be drawn.
    """

    def __init__(
        self,
        seed: int,
        width: int = 640,
        height: int = 480,
        fps: float = 25.0,
        labels: Sequence[str] = STREET_LABELS,
    ) -> None:
        check_picture(seed, width, height, fps)
        unknown = [label for label in labels if label not in STREET_LABELS]
        if unknown:
            raise ConfigError(
                f"on a street nobody performs {', '.join(unknown)}; "
                f"it knows {', '.join(STREET_LABELS)}."
            )
        if not labels:
            raise ConfigError("a street needs a label; name at least one, or leave the choice out.")
        self.seed, self.width, self.height, self.fps = seed, width, height, fps
        self._labels = tuple(dict.fromkeys(labels))

    def frames(self, wanted: range | None = None) -> Iterator[SceneFrame]:
        """Frames from tick 0 on without end, or those of the `wanted` ticks (step 1) only."""
        first = wanted.start if wanted else 0
        for number, interval in enumerate(self.intervals()):
            if interval.end_tick <= first:
                continue
            length = interval.end_tick - interval.start_tick
            shot = _Shot((self.seed, 4, number), interval.label, self.width, self.height)
            for tick in range(max(first, interval.start_tick), interval.end_tick):
                if wanted is not None and tick >= wanted.stop:
                    return
                since = tick - interval.start_tick
                yield SceneFrame(shot.draw(since / self.fps), tick, interval.label, since / length)

    def intervals(self) -> Iterator[Interval]:
        """The truth without end, one interval a shot: each label as often as the others."""
        rng = np.random.default_rng([self.seed, 3])
        tick = 0
        while True:
            for index in rng.permutation(len(self._labels)):
                end = tick + max(1, round(rng.uniform(*_SHOT_S) * self.fps))
                yield Interval(self._labels[index], tick, end)
                tick = end

    def intervals_until(self, tick: int) -> list[Interval]:
        """The intervals that begin before `tick`, the last one cut there."""
        return intervals_until(self.intervals(), tick)


@dataclass(frozen=True)
class _Person:
    """Somebody who goes straight on, again and again. half_way: world position [3]. way: how long
    it is, from out of the picture to out of the picture.
    """

    figure: Figure
    style: Style
    period_s: float
    begun: float  # cycles before the shot
    heading: float
    half_way: F64
    way: float

    def cycle(self, seconds: float) -> float:
        return self.begun + seconds / self.period_s

    def placement(self, forward: float) -> F64:
        """[3,4] from the body frame to the world, after so much of the way and of all before."""
        s, c = np.sin(self.heading), np.cos(self.heading)
        turned = np.array(((c, 0.0, s), (0.0, 1.0, 0.0), (-s, 0.0, c)))
        after_half = forward % self.way - self.way / 2
        return np.column_stack((turned, self.half_way + turned[:, 2] * after_half))


class _Shot:
    """One street, and everybody on it."""

    def __init__(self, seed: Sequence[int], label: str, width: int, height: int) -> None:
        rng = np.random.default_rng(seed)
        self._seed = tuple(seed)
        self._light = Light.drawn_from(rng)
        self._camera = Camera(
            width,
            height,
            figure_share=float(np.exp(rng.uniform(*np.log(_SIZES)))),
            foot_line=0.5,
            distance=float(rng.uniform(14.0, 24.0)),
            elevation=float(rng.uniform(0.3, 0.8)),
            slack=0.0,
        )
        horizon = float(rng.uniform(0.02, 0.25))
        self._furthest = horizon + 0.06 - 0.5
        self._backdrop = Backdrop(rng, width, height, horizon, self._light)
        self._grain = Grain(rng, width, height, float(rng.uniform(0.5, 4.5)))
        self._action = ACTION_TABLE.get(label)  # none of `idle`
        count = int(rng.integers(*_PEOPLE)) if self._action else 0
        self._people = [self._person(rng) for _ in range(count)]

    def draw(self, since_s: float) -> U8:
        """The frame `since_s` seconds after the shot's beginning, [H,W,3] RGB."""
        image = self._backdrop.view((0.0, 0.0))
        if self._action is not None:
            placed = []
            for person in self._people:
                forward = self._action.travel[0] * person.cycle(since_s)
                placed.append((person.placement(forward), person))
            for placement, person in sorted(placed, key=lambda each: float(each[0][2, 3])):
                shadow(image, self._camera, placement[:, 3], 0.0)
                body = solve(self._action.posing(person.cycle(since_s), person.style))
                draw(image, person.figure.shapes(body), placement, self._camera, self._light)
        return self._grain.add(image, np.random.default_rng([*self._seed, round(since_s * 1000)]))

    def _person(self, rng: np.random.Generator) -> _Person:
        assert self._action is not None
        half_way = self._seen_at(
            down=float(rng.uniform(self._furthest, _NEAREST)), right=float(rng.uniform(-0.2, 0.2))
        )
        return _Person(
            figure=Figure.drawn_from(rng),
            style=Style(float(rng.uniform(0.85, 1.15)), float(rng.random())),
            period_s=float(rng.uniform(*self._action.period_s)),
            begun=float(rng.uniform(0.0, 100.0)),
            heading=float(rng.uniform(0.0, 2 * np.pi)),
            half_way=half_way,
            way=1.4 * self._camera.width / self._scale_at(half_way) + 2.0,
        )

    def _seen_at(self, *, down: float, right: float) -> F64:
        """The place on the ground that is seen there, as shares of the picture from its middle."""
        camera = self._camera
        s, c = np.sin(camera.elevation), np.cos(camera.elevation)
        # From Camera.project: down = z · s · share · distance / (distance - z · c).
        z = down * camera.distance / (s * camera.figure_share * camera.distance + down * c)
        across = right * camera.width / self._scale_at(np.array((0.0, 0.0, z)))
        return np.array((across, 0.0, z))

    def _scale_at(self, place: F64) -> float:
        """Pixels per figure height."""
        (scale,) = self._camera.project(place[None])[1]
        return float(scale)
