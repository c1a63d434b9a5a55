"""The performance of one shot: who acts, where the camera stands, and each frame's drawing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream.scene.body import F64, Pose, ease, solve
from stream.scene.figure import Figure
from stream.scene.fixtures import fixture_shapes
from stream.scene.motion import FRONT, QUARTER, Action, Style, idle_pose, seated_pose
from stream.scene.schedule import ACTION_TABLE, IDLE, Beat, Shot
from stream.scene.shapes import U8, Shape, ball, draw
from stream.scene.stage import Backdrop, Camera, Grain, Light, shadow

BLEND_S = 0.32
_MIRROR = np.array((-1.0, 1.0, 1.0))


class Performance:
    """Draws one shot; `move_to` every tick of it in order, `draw` those that are wanted."""

    def __init__(
        self, shot: Shot, seed: Sequence[int], width: int, height: int, fps: float
    ) -> None:
        rng = np.random.default_rng(seed)
        self._shot, self._fps, self._seed = shot, fps, tuple(seed)
        self._light = Light.drawn_from(rng)
        self._camera = _camera(rng, shot, width, height)
        horizon = self._camera.foot_line - rng.uniform(0.08, 0.28)
        self._backdrop = Backdrop(rng, width, height, float(horizon), self._light)
        self._grain = Grain(rng, width, height, float(rng.uniform(0.5, 4.5)))
        self._figure = Figure.drawn_from(rng, True if shot.long_hair else None)
        self._heading = _heading(rng, shot.view)
        self._mirrored = bool(rng.random() < 0.5)
        self._start_x = float(rng.uniform(-1.0, 1.0)) * self._camera.slack
        self._shake_px = float(rng.uniform(0.3, 1.6)) * height / 480 if rng.random() < 0.2 else 0.0
        self._shake_phases = rng.uniform(0.0, 2 * np.pi, 4)
        colour = tuple(int(c) for c in rng.integers(50, 200, 3))
        self._fixture = (
            fixture_shapes(shot.fixture, (colour[0], colour[1], colour[2])) if shot.fixture else []
        )
        self._passer = _Passer.drawn_from(rng) if rng.random() < 0.1 else None
        self._tick = shot.beats[0].interval.start_tick
        self._beat = 0
        self._origins = _origins(shot)

    def move_to(self, tick: int) -> None:
        """Bring actor and camera to `tick`; ticks of a shot come in order."""
        self._tick = tick
        while tick >= self._shot.beats[self._beat].interval.end_tick:
            self._beat += 1
        self._camera.follow(self._place())
        if self._shake_px:
            t = (tick - self._shot.beats[0].interval.start_tick) / self._fps
            a, b, c, d = self._shake_phases
            self._camera.shake_px = (
                self._shake_px * float(np.sin(7.0 * t + a) + 0.5 * np.sin(17.0 * t + b)),
                self._shake_px * float(np.sin(6.0 * t + c) + 0.5 * np.sin(19.0 * t + d)),
            )

    def draw(self) -> U8:
        """The frame at the present tick, [H,W,3] RGB."""
        camera, rng = self._camera, np.random.default_rng([*self._seed, self._tick])
        image = self._backdrop.view(camera.background_shift())
        t = (self._tick - self._shot.beats[0].interval.start_tick) / self._fps
        if self._passer is not None:
            draw(image, self._passer.shapes(t), np.eye(3, 4), camera, self._light)
        if not self._shot.empty:
            self._draw_actor(image)
        return self._grain.add(image, rng)

    def _draw_actor(self, image: U8) -> None:
        pose, props = self._pose_and_props()
        place = self._place()
        placement = np.column_stack((_turned(self._heading), place))
        lift = float(pose.feet[:, 1].min()) - 0.04
        ground = place.copy()
        ground[2] += 0.02
        shadow(image, self._camera, ground, max(0.0, lift))
        joints = solve(pose)
        shapes = [*self._figure.shapes(joints)]
        for action, cycle, style in props:
            if action.props is not None:
                shapes += action.props(cycle, style, joints)
        # The fixture stays where the shot began; the body frame has moved on from there.
        back = _turned(self._heading).T @ (self._place_of((0.0, 0.0)) - place)
        if self._mirrored:
            shapes = [_mirrored(shape) for shape in shapes]
        shapes += [
            Shape(s.points + back, s.radii, s.colour, s.nearer, s.outline) for s in self._fixture
        ]
        draw(image, shapes, placement, self._camera, self._light)

    def _pose_and_props(self) -> tuple[Pose, list[tuple[Action, float, Style]]]:
        """The pose now, blended near the ends of an idle beat, and whose props are in view."""
        beats = self._shot.beats
        beat = beats[self._beat]
        span = beat.interval
        since = (self._tick - span.start_tick) / self._fps
        until = (span.end_tick - self._tick) / self._fps
        if span.label != IDLE:
            action = ACTION_TABLE[span.label]
            cycle = beat.cycles * (self._tick - span.start_tick) / (span.end_tick - span.start_tick)
            return action.posing(cycle, beat.style), [(action, cycle, beat.style)]
        pose = self._resting(beat, self._beat)
        if self._beat > 0 and since < BLEND_S:
            before = beats[self._beat - 1]
            action = ACTION_TABLE[before.interval.label]
            pose = action.posing(before.cycles, before.style).blend(pose, ease(since / BLEND_S))
            return pose, [(action, before.cycles - 1e-6, before.style)]
        if self._beat + 1 < len(beats) and until < BLEND_S:
            after = beats[self._beat + 1]
            action = ACTION_TABLE[after.interval.label]
            pose = pose.blend(action.posing(0.0, after.style), ease(1.0 - until / BLEND_S))
            return pose, [(action, 0.0, after.style)]
        return pose, []

    def _resting(self, beat: Beat, index: int) -> Pose:
        seconds = self._tick / self._fps
        seated = self._shot.seated_at_start if index == 0 else beat.seated
        return (seated_pose if seated else idle_pose)(seconds, beat.style)

    def _place(self) -> F64:
        """World position of the body frame's origin."""
        beat = self._shot.beats[self._beat]
        span = beat.interval
        forward, up = self._origins[self._beat]
        if span.label != IDLE:
            cycle = beat.cycles * (self._tick - span.start_tick) / (span.end_tick - span.start_tick)
            travel = ACTION_TABLE[span.label].travel
            forward, up = forward + travel[0] * cycle, up + travel[1] * cycle
        return self._place_of((forward, up))

    def _place_of(self, travelled: tuple[float, float]) -> F64:
        forward, up = travelled
        way = _turned(self._heading)[:, 2]
        return np.array((self._start_x, up, 0.0)) + way * forward


class _Passer:
    """Something simple that crosses behind the actor now and then."""

    def __init__(self, speed: float, height: float, radius: float, colour: tuple[int, int, int]):
        self._speed, self._height, self._radius, self._colour = speed, height, radius, colour

    @classmethod
    def drawn_from(cls, rng: np.random.Generator) -> _Passer:
        r, g, b = (int(c) for c in rng.integers(40, 230, 3))
        speed = float(rng.choice((-1.0, 1.0)) * rng.uniform(0.15, 0.5))
        return cls(speed, float(rng.uniform(0.1, 1.0)), float(rng.uniform(0.03, 0.08)), (r, g, b))

    def shapes(self, seconds: float) -> list[Shape]:
        x = -np.sign(self._speed) * 1.2 + self._speed * seconds
        return [ball((x, self._height, -1.0), self._radius, self._colour)]


def _origins(shot: Shot) -> list[tuple[float, float]]:
    """How far (forward, up) the actor has come when each beat begins."""
    here, origins = (0.0, 0.0), []
    for beat in shot.beats:
        origins.append(here)
        if beat.interval.label != IDLE:
            forward, up = ACTION_TABLE[beat.interval.label].travel
            here = (here[0] + forward * beat.cycles, here[1] + up * beat.cycles)
    return origins


def _camera(rng: np.random.Generator, shot: Shot, width: int, height: int) -> Camera:
    largest = min(0.88, 0.92 / shot.reach)
    smallest = min(0.66 if shot.detail else 0.44, largest - 0.05)
    share = float(max(rng.uniform(smallest, largest, int(rng.integers(1, 3)))))
    foot_line = float(rng.uniform(max(0.8, 0.03 + share * shot.reach), 0.955))
    # Half the frame's width, less the crop and the body's own width, in figure heights.
    half = 0.5 * width / height / share
    slack = max(0.0, 0.68 * half - 0.36) * float(rng.uniform(0.0, 1.0))
    return Camera(
        width, height, share, foot_line, distance=float(rng.uniform(3.2, 6.0)),
        elevation=float(rng.uniform(0.0, 0.2)), slack=slack,
    )  # fmt: skip


def _heading(rng: np.random.Generator, view: str) -> float:
    """The actor's turn about the vertical; 0 faces the camera, pi/2 the right of the frame."""
    sign = float(rng.choice((-1.0, 1.0)))
    if view == FRONT:
        return float(rng.uniform(-0.45, 0.45))
    if view == QUARTER:
        return sign * float(rng.uniform(0.5, 0.95))
    return sign * float(rng.uniform(1.3, 1.75))


def _turned(heading: float) -> F64:
    s, c = np.sin(heading), np.cos(heading)
    return np.array(((c, 0.0, s), (0.0, 1.0, 0.0), (-s, 0.0, c)))


def _mirrored(shape: Shape) -> Shape:
    return Shape(shape.points * _MIRROR, shape.radii, shape.colour, shape.nearer, shape.outline)
