"""The street: small people who go their ways before a camera that stands still."""

from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest

from stream.errors import ConfigError
from stream.scene import IDLE
from stream.scene.clips import write_clips
from stream.scene.street import STREET_ACTIONS, STREET_LABELS, Street

SIZE = (320, 240)


def images(street: Street, ticks: range) -> list[np.ndarray]:
    return [frame.image for frame in street.frames(ticks)]


def moving_share(street: Street) -> float:
    """Of the picture, what differs by more than grain between two frames half a second apart."""
    first, *_, last = images(street, range(10, 23))
    return float((np.abs(first.astype(int) - last).max(2) > 40).mean())


def test_the_same_seed_gives_the_same_street_from_any_tick_on() -> None:
    one, other = Street(7, *SIZE), Street(7, *SIZE)
    later = images(other, range(60, 62))
    assert all(
        np.array_equal(a, b) for a, b in zip(images(one, range(62))[60:], later, strict=True)
    )
    assert not np.array_equal(images(Street(8, *SIZE), range(60, 61))[0], later[0])


def test_people_are_small_and_nothing_else_moves() -> None:
    walking = [moving_share(Street(seed, *SIZE, labels=("walk",))) for seed in range(8)]
    assert all(0.0005 < share < 0.15 for share in walking), walking
    empty = [moving_share(Street(seed, *SIZE, labels=(IDLE,))) for seed in range(4)]
    assert max(empty) < 0.0005, empty


def test_each_label_comes_as_often_and_the_intervals_are_contiguous() -> None:
    intervals = list(islice(Street(3).intervals(), 9))
    assert sorted(interval.label for interval in intervals) == sorted(3 * STREET_LABELS)
    assert all(a.end_tick == b.start_tick for a, b in pairwise(intervals))
    assert all(125 <= i.end_tick - i.start_tick <= 300 for i in intervals)  # 5 to 12 s
    cut = Street(3).intervals_until(intervals[1].start_tick + 1)
    assert [interval.label for interval in cut] == [i.label for i in intervals[:2]]
    assert cut[-1].end_tick == intervals[1].start_tick + 1


def test_a_slower_camera_shows_the_same_ways_with_fewer_frames() -> None:
    fast = images(Street(5, *SIZE, fps=20.0, labels=("run",)), range(41))
    slow = images(Street(5, *SIZE, fps=10.0, labels=("run",)), range(21))
    np.testing.assert_array_equal(fast[40], slow[20])
    assert (np.abs(fast[38].astype(int) - slow[20]).max(2) > 40).any()  # one frame earlier


@pytest.mark.parametrize("label", STREET_ACTIONS)
def test_people_come_again_so_that_a_street_is_seldom_empty(label: str) -> None:
    for seed in range(8):
        street = Street(seed, *SIZE, fps=5.0, labels=(label,))
        seen = images(street, range(next(street.intervals()).end_tick))
        moves = [
            (np.abs(before.astype(int) - after).max(2) > 40).mean() > 0.0002
            for before, after in zip(seen[::2], seen[2::2], strict=False)
        ]
        assert np.mean(moves) > 0.9, seed


def test_clips_of_streets_lie_in_their_labels_folder(tmp_path: Path) -> None:
    clips = write_clips(
        tmp_path, clips_per_label=1, first_seed=9, street=True, size=(160, 120), fps=10.0,
        show_progress=False,
    )  # fmt: skip
    assert [clip.label for clip in clips] == list(STREET_LABELS)
    assert clips[0].path == tmp_path / "run" / "street_0000009_00.mp4"
    assert all(10 <= clip.frames <= 18 for clip in clips)  # 0.96 to 1.8 s


def test_what_a_street_does_not_show_gets_a_sentence() -> None:
    with pytest.raises(ConfigError, match=r"on a street nobody performs golf; it knows run, walk"):
        Street(1, labels=("golf",))
    with pytest.raises(ConfigError, match="a street needs a label"):
        Street(1, labels=())
    with pytest.raises(ConfigError, match="can't be drawn"):
        Street(1, 10, 10)
