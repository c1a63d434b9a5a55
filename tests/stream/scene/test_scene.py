"""The scene as a viewer sees it: the same for the same seed, in frame, still only when idle."""

from itertools import islice, pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from stream.errors import ConfigError
from stream.scene import ACTIONS, IDLE, Scene
from stream.scene.body import solve
from stream.scene.performance import Performance

SMALL = {"width": 224, "height": 168}


def _middle(scene: Scene, label: str) -> range:
    """Ten ticks around the middle of the scene's first interval of a label."""
    interval = next(i for i in scene.intervals() if i.label == label)
    middle = (interval.start_tick + interval.end_tick) // 2
    return range(middle - 5, middle + 5)


def test_frames_are_rgb_and_carry_tick_label_and_progress() -> None:
    frames = list(islice(Scene(4, **SMALL), 60))
    assert [f.tick for f in frames] == list(range(60))
    assert all(f.image.shape == (168, 224, 3) and f.image.dtype == np.uint8 for f in frames)
    assert frames[0].label == IDLE
    assert frames[0].progress == 0.0
    assert all(0.0 <= f.progress < 1.0 for f in frames)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first, again = (list(islice(Scene(11, **SMALL), 50)) for _ in range(2))
    assert all((a.image == b.image).all() for a, b in zip(first, again, strict=True))
    other = next(iter(Scene(12, **SMALL)))
    assert (first[0].image != other.image).mean() > 0.5


def test_frames_asked_for_alone_are_those_of_the_whole_run() -> None:
    whole = {f.tick: f for f in islice(Scene(6, **SMALL), 130)}
    part = list(Scene(6, **SMALL).frames(range(100, 130)))
    assert [f.tick for f in part] == list(range(100, 130))
    assert all((f.image == whole[f.tick].image).all() for f in part)
    assert list(Scene(6, **SMALL).frames(range(0))) == []


def test_labels_of_frames_are_the_intervals() -> None:
    scene = Scene(8, **SMALL)
    frames = [step.label for step in islice(scene.steps(), 300)]
    spans = scene.intervals_until(300)
    assert [i.label for i in spans for _ in range(i.start_tick, i.end_tick)] == frames


@pytest.mark.parametrize("label", ACTIONS)
def test_the_figure_stays_in_the_frame(label: str) -> None:
    for seed in range(3):
        scene = Scene(1_000_000 + seed, 320, 240, labels=(label,))
        shot = next(s for s in scene._shots() if not s.empty)
        performance = Performance(shot, (seed, 1), 320, 240, 25.0)
        for tick in range(shot.beats[0].interval.start_tick, shot.end_tick):
            performance.move_to(tick)
            joints = solve(performance._pose_and_props()[0])
            body = np.stack((joints.head, joints.pelvis, *joints.wrists, *joints.knees))
            world = body @ _turn(performance._heading).T + performance._place()
            pixels, _, _ = performance._camera.project(world)
            assert (pixels[:, 0] > 0.05 * 320).all()
            assert (pixels[:, 0] < 0.95 * 320).all()
            assert (pixels[:, 1] > -0.02 * 240).all()
            assert (pixels[:, 1] < 240).all()


def _turn(heading: float) -> NDArray[np.float64]:
    s, c = np.sin(heading), np.cos(heading)
    return np.array(((c, 0, s), (0, 1, 0), (-s, 0, c)))


def _motion(scene: Scene, ticks: range) -> float:
    """The 99th percentile of DIS flow over a range, px a frame: how fast the fastest part moves."""
    estimator = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    greys = [cv2.cvtColor(f.image, cv2.COLOR_RGB2GRAY) for f in scene.frames(ticks)]
    speeds = [np.linalg.norm(estimator.calc(a, b, None), axis=2) for a, b in pairwise(greys)]
    return float(np.percentile(np.stack(speeds), 99))


def test_an_idle_actor_hardly_moves_and_an_active_one_does() -> None:
    moving, still = [], []
    for number, label in enumerate(("walk", "jump", "throw", "golf", "clap", "pick", "pullup")):
        scene = Scene(1_000_010 + number, **SMALL, labels=(label,))
        moving.append(_motion(scene, _middle(scene, label)))
        still.append(_motion(scene, _middle(scene, IDLE)))
    assert np.median(still) < 0.5
    assert np.median(moving) > 5 * np.median(still)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"seed": -1}, "scene seed -1 is negative"),
        ({"seed": 1, "width": 63}, "scene size 63x480 can't be drawn"),
        ({"seed": 1, "height": 481}, "scene size 640x481 can't be drawn"),
        ({"seed": 1, "fps": 0.0}, "scene rate 0 fps is out of range"),
        ({"seed": 1, "fps": float("nan")}, "scene rate nan fps is out of range"),
        ({"seed": 1, "labels": ("walk", "swim")}, "can't perform swim; it knows brush_hair, "),
    ],
)
def test_what_cannot_be_drawn_gets_a_sentence(arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Scene(**arguments)  # type: ignore[arg-type]
