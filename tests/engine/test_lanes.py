"""The lanes against the paper's own way: every segment through its LSTM from zero."""

import msgspec
import numpy as np
import pytest

from engine.lanes import Lanes, initial_state, lane_step
from tests.engine.numpy_graphs import HeadWeights, NumpyHead


@pytest.fixture
def weights(manifest):
    return HeadWeights.random(manifest, seed=7)


@pytest.fixture
def features(manifest):
    """Three windows of features, and a bit."""
    draw = np.random.default_rng(8)
    shape = (3 * manifest.window_samples + 5, manifest.feature_width)
    return draw.normal(0, 1, shape).astype(np.float32)


def test_every_sample_gives_what_the_whole_window_would(manifest, weights, features):
    lanes, head = Lanes.of(manifest), NumpyHead(weights)
    for t in range(len(features)):
        lane_step(head, [lanes], features[t : t + 1])
        scores, beta = weights.rolling(features[: t + 1], manifest)
        assert lanes.scores() == pytest.approx(scores, abs=1e-5)
        assert lanes.temporal_attention()[-len(beta) :] == pytest.approx(beta, abs=1e-6)
        assert not lanes.temporal_attention()[: -len(beta)].any()


def test_attention_sums_to_one_in_each_segment(manifest, weights, features):
    lanes, head = Lanes.of(manifest), NumpyHead(weights)
    for row in features:
        lane_step(head, [lanes], row[np.newaxis])
    beta = lanes.temporal_attention().reshape(manifest.segments, manifest.frames_per_segment)
    assert beta.sum(axis=1) == pytest.approx(1)
    assert beta.max() > 0.5  # far from uniform, or this file would prove little


def test_streams_of_any_age_share_a_batch(manifest, weights, features):
    """Rows that began at different times give what each gives alone."""
    alone, together = Lanes.of(manifest), Lanes.of(manifest)
    late, head = Lanes.of(manifest), NumpyHead(weights)
    for t in range(30):
        lane_step(head, [alone], features[t : t + 1])
        if t < 7:
            lane_step(head, [together], features[t : t + 1])
        else:
            lane_step(head, [late, together], np.stack([features[t - 7], features[t]]))
    assert together.scores() == pytest.approx(alone.scores(), abs=1e-6)
    assert late.scores() == pytest.approx(weights.rolling(features[11:23], manifest)[0], abs=1e-5)


def test_a_lane_begins_with_nothing_of_what_it_held(manifest, weights, features):
    state = initial_state(batch=1, lanes=4, hidden=5, width=6)
    inputs = {"features": features[:1], "lane": np.array([2], np.int32)}
    clean = NumpyHead(weights).run({**inputs, **state})
    for array in state.values():
        array[:, 2] = np.nan
    dirty = NumpyHead(weights).run({**inputs, **state})
    for name, array in clean.items():
        assert np.array_equal(dirty[name][:, 2], array[:, 2]), name


def test_when_an_epoch_began_does_not_matter_to_a_full_window(manifest, weights, features):
    lanes, head = Lanes.of(manifest), NumpyHead(weights)
    lanes.skip(3)
    for row in features:
        lane_step(head, [lanes], row[np.newaxis])
    assert lanes.scores() == pytest.approx(weights.rolling(features, manifest)[0], abs=1e-5)


def test_one_lane_or_one_sample_off_would_show(manifest, weights, features):
    """The tolerances above are far below what the nearest mistakes would change."""
    right = weights.rolling(features, manifest)[0]
    sample_late = weights.rolling(features[:-1], manifest)[0]
    starts = len(features) - 4 * np.arange(3, 0, -1)
    lane_off = np.mean([weights.segment(features[s + 1 : s + 4])[0] for s in starts], axis=0)
    assert np.abs(sample_late - right).max() > 0.01
    assert np.abs(lane_off - right).max() > 0.01


@pytest.mark.parametrize(("segments", "k"), [(1, 1), (1, 5), (2, 1), (4, 3)])
def test_other_shapes_of_window(manifest, segments, k):
    other = msgspec.structs.replace(manifest, segments=segments, frames_per_segment=k)
    weights = HeadWeights.random(other, seed=1)
    features = np.random.default_rng(2).normal(0, 1, (20, other.feature_width)).astype(np.float32)
    lanes, head = Lanes.of(other), NumpyHead(weights)
    for t, row in enumerate(features):
        lane_step(head, [lanes], row[np.newaxis])
        scores, beta = weights.rolling(features[: t + 1], other)
        assert lanes.scores() == pytest.approx(scores, abs=1e-5)
        assert lanes.temporal_attention()[-len(beta) :] == pytest.approx(beta, abs=1e-6)
