"""Streams with their truth: what is said in the middle of each interval."""

import numpy as np
import pytest
import torch

from tests.training.data.stored import stored_clip
from training.data.labelled_streams import Interval
from training.errors import DataError
from training.evaluation.clips import DataSet
from training.evaluation.streams import Timing, evaluate_streams, middle_scores
from training.features import clip_features
from training.model.build import ModelConfig
from training.model.sta_tsn import StaTsn
from training.progress import Progress
from training.random_model import random_model

CLASSES = ("walk", "wave", "idle")
EVERY_SECOND = Timing(grid_fps=25.0, sample_every=2)
INTERVALS = (
    Interval("walk", 0, 8),  # its middle comes before the window of 6 samples is full
    Interval("idle", 8, 18),
    Interval("wave", 18, 40),
    Interval("walk", 40, 100),  # its middle lies behind the video's end
)


@pytest.fixture(scope="module")
def model() -> StaTsn:
    config = ModelConfig(
        classes=3, backbone="resnet18", hidden_width=8, input_size=32, frames_per_segment=2
    )
    return random_model(config, seed=4)


def test_a_middle_is_scored_by_the_window_that_a_stream_holds_then(model: StaTsn) -> None:
    clip = stored_clip("a", "streams", 45)
    scores, labels = middle_scores(
        model,
        [(clip, INTERVALS)],
        flows=("dis",),
        timing=EVERY_SECOND,
        side=32,
        progress=Progress(),
    )
    assert labels == ["idle", "wave"]
    for row, middle in enumerate((13, 29)):
        newest = middle - 1  # samples are the even ticks
        ticks = range(newest - 10, newest + 1, 2)
        features = clip_features(model.rgb, "rgb", clip, side=32, ticks=ticks)
        with torch.inference_mode():
            expected, _ = model.rgb_head(torch.from_numpy(features).view(1, 3, 2, -1))
        np.testing.assert_allclose(
            scores["rgb"][row], expected[0].mean(0).numpy(), rtol=1e-4, atol=1e-4
        )


def test_actions_and_idle_stretches_are_told_apart(model: StaTsn) -> None:
    found = evaluate_streams(
        model,
        [(stored_clip("a", "streams", 45), INTERVALS)],
        DataSet("scenes", "unseen", CLASSES),
        flows=("dis", "tvl1"),
        timing=EVERY_SECOND,
        side=32,
        progress=Progress(),
    )
    assert [(each.protocol, each.flow, each.count, each.unit) for each in found] == [
        ("grid, middle of action", "dis", 1, "intervals"),
        ("grid, middle of action", "tvl1", 1, "intervals"),
        ("grid, middle of idle", "dis", 1, "intervals"),
        ("grid, middle of idle", "tvl1", 1, "intervals"),
    ]


def test_streams_that_can_tell_nothing_are_refused(model: StaTsn) -> None:
    def evaluate(*intervals: Interval) -> None:
        evaluate_streams(
            model,
            [(stored_clip("a", "streams", 20), intervals)],
            DataSet("scenes", "unseen", CLASSES),
            flows=("dis",),
            timing=EVERY_SECOND,
            side=32,
            progress=Progress(),
        )

    with pytest.raises(DataError, match="full window"):
        evaluate(Interval("walk", 0, 8))
    with pytest.raises(DataError, match="'fly'"):
        evaluate(Interval("fly", 10, 20))
