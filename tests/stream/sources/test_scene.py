"""The scene as a camera: its URL, its pace, its truth."""

from itertools import islice

import numpy as np
import pytest

from stream.errors import ConfigError
from stream.scene import Scene
from stream.sources.scene import SceneSettings, SceneSource, is_scene, parse_scene_url


class Clock:
    """A clock that only sleeping moves on."""

    def __init__(self) -> None:
        self.now_ns = 5_000_000_000

    def monotonic_ns(self) -> int:
        return self.now_ns

    def utc_ns(self) -> int:
        return self.now_ns + 1_700_000_000_000_000_000

    def sleep_s(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


def _source(url: str, clock: Clock) -> SceneSource:
    return SceneSource(
        url, monotonic_ns=clock.monotonic_ns, utc_ns=clock.utc_ns, sleep_s=clock.sleep_s
    )


def test_urls() -> None:
    assert is_scene("scene:")
    assert is_scene("scene:?seed=1")
    assert not is_scene("scene.mp4")
    assert parse_scene_url("scene:") == SceneSettings()
    assert parse_scene_url("scene:?seed=7&size=320x240&fps=12.5&realtime=0") == SceneSettings(
        seed=7, size=(320, 240), fps=12.5, realtime=False
    )


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?speed=2", 'a scene has no setting "speed"'),
        ("?seed", "has a part that is not name=value"),
        ("?seed=x", 'seed can\'t be "x"'),
        ("?seed=-1", 'seed can\'t be "-1"'),
        ("?size=big", 'size can\'t be "big"'),
        ("?size=10x10", "scene size 10x10 can't be drawn"),
        ("?fps=1000", "scene rate 1000 fps is out of range"),
        ("?realtime=yes", 'realtime can\'t be "yes"'),
        ("?seed=1&seed=2", "seed is given twice"),
        ("seed=1", "is not a scene"),
    ],
)
def test_a_bad_query_gets_a_sentence(query: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        SceneSource(f"scene:{query}")


def test_open_tells_what_comes() -> None:
    info = SceneSource("scene:?size=320x240&fps=10").open()
    assert (info.width, info.height, info.fps) == (320, 240, 10.0)


def test_frames_come_by_the_clock_with_their_truth() -> None:
    clock = Clock()
    source = _source("scene:?seed=4&size=160x120&fps=20", clock)
    assert source.live
    drawn = list(islice(Scene(4, 160, 120, 20.0), 60))
    arrived = []
    for frame, expected in zip(source.frames(), drawn, strict=False):
        arrived.append(clock.now_ns)
        assert frame.pts_ns == expected.tick * 50_000_000
        assert frame.captured_at_ns == clock.utc_ns()
        assert (frame.clock, frame.truth, dict(frame.lost)) == ("device", expected.label, {})
        assert (frame.image() == expected.image).all()
    assert set(np.diff(arrived[:60])) == {50_000_000}


def test_a_reader_that_is_too_slow_loses_frames_and_is_told() -> None:
    clock = Clock()
    frames = _source("scene:?seed=4&size=160x120&fps=20", clock).frames()
    assert next(frames).pts_ns == 0
    clock.sleep_s(0.5)  # ten frames' time; the one due just now still counts as in time
    frame = next(frames)
    assert frame.pts_ns == 450_000_000
    assert dict(frame.lost) == {"late": 8}
    assert dict(next(frames).lost) == {}


def test_as_fast_as_possible_waits_for_its_reader_and_loses_nothing() -> None:
    clock = Clock()
    source = _source("scene:?seed=4&size=160x120&realtime=0", clock)
    assert not source.live
    for tick, frame in enumerate(islice(source.frames(), 20)):
        clock.sleep_s(1.0)
        assert frame.pts_ns == tick * 40_000_000
        assert not frame.lost


def test_closing_ends_the_frames_at_once() -> None:
    source = SceneSource("scene:?seed=1&size=160x120&fps=1")
    frames = source.frames()
    next(frames)
    source.close()
    source.close()
    assert list(frames) == []
