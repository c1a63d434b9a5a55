"""Clips joined into one stream: the grid's rule for flow holds across a cut."""

from itertools import pairwise

import numpy as np
import pytest

from engine.arrays import U8
from engine.flow.stack import stack
from tests.training.data.stored import stored_clip
from training.data.joined_clips import JoinedClips
from training.data.labelled_streams import Interval

# One shorter than a stack, one of a single frame, one longer.
CLIPS = [
    stored_clip("a", "walk", 6, seed=1),
    stored_clip("b", "wave", 1, seed=2),
    stored_clip("c", "run", 25, seed=3),
]


def _pair_at_cut(last: U8, first: U8) -> U8:
    """Not a flow, but one that tells which two frames it was computed from."""
    return np.stack([last[..., 0], first[..., 0]])


@pytest.fixture
def joined() -> JoinedClips:
    return JoinedClips(CLIPS, _pair_at_cut)


def test_each_clip_is_true_up_to_the_next_cut(joined: JoinedClips) -> None:
    assert joined.ticks == 32
    assert joined.size == (44, 36)
    assert joined.intervals == (
        Interval("walk", 0, 6),
        Interval("wave", 6, 7),
        Interval("run", 7, 32),
    )


def test_frames_and_stacks_are_those_of_one_long_clip(joined: JoinedClips) -> None:
    frames = np.concatenate([clip.frames[:] for clip in CLIPS])
    pairs = np.concatenate([clip.flow[:] for clip in CLIPS])
    for cut, (before, after) in zip((6, 7), pairwise(CLIPS), strict=True):
        pairs[cut] = _pair_at_cut(before.frames[before.ticks - 1], after.frames[0])
    ticks = [*range(32), 3, 8, 6]  # in any order, too
    np.testing.assert_array_equal(joined.frames_at(ticks), frames[ticks])
    expected = np.stack([stack(lambda pair: pairs[pair], tick) for tick in ticks])
    np.testing.assert_array_equal(joined.stacks_at(ticks), expected)
