"""The test clips as one stream: graces and times by hand, predictions against the model's own."""

import numpy as np
import pytest
import torch

from engine.arrays import U8
from engine.flow.open import open_flow
from engine.flow.quantise import quantise
from engine.preprocess import grey
from tests.training.data.stored import stored_clip
from training.data.labelled_streams import Interval
from training.data.preparation import PreparedFlow
from training.evaluation.clips import DataSet
from training.evaluation.joined import after_cut, evaluate_joined, join, time_to_correct_s
from training.evaluation.streams import Timing
from training.features import clip_features
from training.model.build import ModelConfig
from training.progress import Progress
from training.random_model import random_model

CLASSES = ("run", "walk", "wave")
EACH = Timing(grid_fps=25.0, sample_every=1)


def _hits(text: str) -> np.ndarray:
    return np.array([letter == "x" for letter in text])


@pytest.mark.parametrize(
    ("hits", "expected"),
    [
        ("xxxx", 0.0),
        ("..xx", 2 / 25),
        ("x.xx", 2 / 25),  # right at first, but not for good
        ("xxx.", None),
        ("", None),
    ],
)
def test_the_time_to_correct_ends_when_the_answer_stays_right(
    hits: str, expected: float | None
) -> None:
    found = time_to_correct_s(_hits(hits), Interval("run", 7, 7 + len(hits)), EACH)
    assert found == (None if expected is None else pytest.approx(expected))


def test_the_time_is_that_from_the_cut_to_a_sample() -> None:
    # Samples at ticks 0, 5, 10, ...: in 7 .. 21 they are 10, 15 and 20; 15 is 8 ticks after 7.
    timing = Timing(grid_fps=25.0, sample_every=5)
    interval = Interval("run", 7, 22)
    assert list(timing.samples(interval)) == [2, 3, 4]
    assert time_to_correct_s(_hits(".xx"), interval, timing) == pytest.approx(8 / 25)


def test_a_grace_leaves_out_windows_that_hold_too_little_of_the_clip() -> None:
    hits = [_hits("..xxxx"), _hits(".x"), _hits("xx.x")]
    every = after_cut(hits, 0, 2, EACH)
    assert (every.samples, every.accuracy, every.grace_s) == (12, pytest.approx(8 / 12), 0.0)
    one = after_cut(hits, 1, 2, EACH)  # from the second sample on
    assert (one.samples, one.accuracy, one.grace_s) == (9, pytest.approx(7 / 9), 1 / 25)
    three = after_cut(hits, 3, 2, EACH)  # from the sixth on
    assert (three.samples, three.accuracy) == (1, 1.0)
    assert after_cut(hits, 4, 2, EACH).accuracy is None


def test_flow_across_a_cut_is_what_a_stream_would_compute() -> None:
    clips = [stored_clip("a", "walk", 4, seed=1), stored_clip("b", "wave", 5, seed=2)]
    settings = PreparedFlow(parameters={"preset": "medium"}, bound_px=6.0)
    joined = join(clips, "dis", settings)
    last: U8 = clips[0].frames_at([3])[0]
    first: U8 = clips[1].frames_at([0])[0]
    flow = open_flow("dis", {"preset": "medium"}).estimate(grey(last), grey(first))
    np.testing.assert_array_equal(joined.stacks_at([4])[0, -2:], quantise(flow, 6.0))


def test_the_stream_is_scored_as_the_model_would_score_it() -> None:
    config = ModelConfig(
        classes=3, backbone="resnet18", hidden_width=8, input_size=32, frames_per_segment=2
    )
    model = random_model(config, seed=3)
    clips = [
        stored_clip(str(n), CLASSES[n % 3], ticks, seed=n)
        for n, ticks in enumerate((4, 9, 7, 1, 12))
    ]
    flows = {name: PreparedFlow() for name in ("dis", "tvl1")}
    results, (with_dis, with_tvl1) = evaluate_joined(
        model,
        clips,
        DataSet("set", "unseen", CLASSES),
        flows=flows,
        timing=EACH,
        seed=5,
        side=32,
        progress=Progress(),
    )
    order = [clips[index] for index in np.random.default_rng(5).permutation(5)]
    joined = join(order, "dis", flows["dis"])
    rgb = clip_features(model.rgb, "rgb", joined, side=32)
    flow = clip_features(model.flow, "flow", joined, side=32)
    with torch.inference_mode():
        rolling = model.rolling_probabilities(torch.from_numpy(rgb), torch.from_numpy(flow))
    best = rolling.probabilities.argmax(1).numpy()
    right = [
        best[each.start_tick : each.end_tick] == CLASSES.index(each.label)
        for each in joined.intervals
    ]
    assert with_dis.duration_s == pytest.approx(33 / 25)
    assert with_dis.after_cut[0].accuracy == pytest.approx(np.concatenate(right).mean())
    assert with_dis.never_correct == pytest.approx(np.mean([not hits[-1] for hits in right]))
    by_name = {(each.protocol, each.flow): each for each in results}
    at_ends = by_name["grid, end of clip", "dis"]
    assert at_ends.count == 5
    assert at_ends.accuracy.fused == pytest.approx(np.mean([hits[-1] for hits in right]))
    long = [hits[-1] for hits in right if len(hits) >= 6]
    assert by_name["grid, end of long clip", "dis"].count == len(long) == 3
    assert by_name["grid, end of long clip", "dis"].accuracy.fused == pytest.approx(np.mean(long))
    assert with_tvl1.flow == "tvl1"
    assert by_name["grid, end of clip", "tvl1"].accuracy.rgb == at_ends.accuracy.rgb
