"""Scores by protocol and crop, against the model's own whole-window and rolling forms."""

from typing import Any

import numpy as np
import pytest
import torch

from tests.training.data.stored import stored_clip
from training.data.augment import standard_crops
from training.data.far_view import far_view
from training.data.frame_store import StoredClip
from training.data.sampling import global_ticks
from training.evaluation.clip_scores import GRID, Protocol, clip_scores, grid_ticks
from training.features import clip_features
from training.model.build import ModelConfig
from training.model.sta_tsn import StaTsn
from training.progress import Progress
from training.random_model import random_model

GLOBAL, TEN = Protocol("global", 1), Protocol("global", 10)
WINDOW = 12
FLOWS = ("dis", "tvl1")


@pytest.fixture(scope="module")
def model() -> StaTsn:
    config = ModelConfig(
        classes=4, backbone="resnet18", hidden_width=8, input_size=32, frames_per_segment=4
    )
    return random_model(config, seed=1)


def _scores(model: StaTsn, clip: StoredClip, **options: Any) -> dict[Protocol, Any]:
    return clip_scores(model, [clip], flows=FLOWS, side=32, progress=Progress(), **options)


def _features(model: StaTsn, clip: StoredClip) -> tuple[torch.Tensor, torch.Tensor]:
    rgb = clip_features(model.rgb, "rgb", clip, side=32)
    flow = clip_features(model.flow, "flow", clip, side=32)
    return torch.from_numpy(rgb), torch.from_numpy(flow)


@pytest.mark.parametrize("ticks", [1, 3, 7, 12, 30])
@pytest.mark.parametrize("sample_every", [1, 2])
def test_the_last_sample_is_scored_as_a_stream_would(
    model: StaTsn, ticks: int, sample_every: int
) -> None:
    clip = stored_clip("a", "walk", ticks)
    found = _scores(model, clip, sample_every=sample_every)[GRID]
    for flow in FLOWS:
        rgb_features, flow_features = _features(model, clip.with_flow(flow))
        with torch.inference_mode():
            rolling = model.rolling_probabilities(
                rgb_features[::sample_every], flow_features[::sample_every]
            )
        p_rgb = torch.from_numpy(found["rgb"][0]).softmax(0)
        p_flow = torch.from_numpy(found[flow][0]).softmax(0)
        torch.testing.assert_close(p_rgb, rolling.p_rgb[-1], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(p_flow, rolling.p_flow[-1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("ticks", [5, 40])
def test_ten_crops_are_averaged_before_the_softmax(model: StaTsn, ticks: int) -> None:
    clip = stored_clip("a", "walk", ticks)
    found = _scores(model, clip, crops=10)
    spread = global_ticks(ticks, WINDOW)
    scores = []
    for crop in standard_crops(clip.size, 32):
        frames = torch.from_numpy(crop.frames(clip.frames_at(spread), 32))
        stacks = torch.from_numpy(crop.stacks(clip.stacks_at(spread), 32))
        with torch.inference_mode():
            rgb, flow = model(frames[None], stacks[None])
        scores.append((rgb[0].numpy(), flow[0].numpy()))
    assert np.ptp([rgb for rgb, _ in scores], axis=0).max() > 1e-3  # crops do differ
    for protocol, crops in ((GLOBAL, scores[:1]), (TEN, scores)):
        rgb_mean, flow_mean = (np.mean(each, axis=0) for each in zip(*crops, strict=True))
        np.testing.assert_allclose(found[protocol]["rgb"][0], rgb_mean, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(found[protocol]["dis"][0], flow_mean, rtol=1e-3, atol=1e-4)


def test_a_clip_as_long_as_the_window_is_the_same_in_both_protocols(model: StaTsn) -> None:
    found = _scores(model, stored_clip("a", "walk", WINDOW))
    for name in ("rgb", *FLOWS):
        np.testing.assert_allclose(found[GLOBAL][name], found[GRID][name], rtol=1e-4, atol=1e-5)


def test_from_further_away_the_whole_window_is_scored_on_the_same_ticks(model: StaTsn) -> None:
    clip = stored_clip("a", "walk", 40)
    found = _scores(model, clip, far=True)
    names = [protocol.name for protocol in found]
    assert names == ["global", "grid", "global, 2 times as far", "global, 4 times as far"]
    scores = []
    for distance in (2, 4):
        view, ticks = far_view(clip.size, distance), global_ticks(40, WINDOW)
        features = clip_features(model.flow, "flow", clip, side=32, crop=view, ticks=ticks)
        segments = torch.from_numpy(features).view(1, 3, 4, -1)
        with torch.inference_mode():
            expected = model.flow_head(segments)[0].mean(1)[0]
        scores.append(found[Protocol(f"global, {distance} times as far", 1)]["dis"][0])
        np.testing.assert_allclose(scores[-1], expected, rtol=1e-4, atol=1e-5)
    assert np.abs(scores[0] - scores[1]).max() > 1e-3


@pytest.mark.parametrize(
    ("ticks", "crops", "images"),
    [
        (5, 1, 5),  # `global` has some of the 5 frames three times, and a CNN sees each once
        (5, 10, 50),
        (40, 1, len({*global_ticks(40, WINDOW), *range(28, 40)})),
        (40, 10, len({*global_ticks(40, WINDOW), *range(28, 40)}) + 9 * 12),
    ],
)
def test_no_frame_is_computed_twice_nor_rgb_for_each_flow(
    model: StaTsn, ticks: int, crops: int, images: int
) -> None:
    seen = {"rgb": 0, "flow": 0}
    hooks = [
        getattr(model, name).register_forward_hook(
            lambda module, given, result, name=name: seen.update({name: seen[name] + len(given[0])})
        )
        for name in seen
    ]
    _scores(model, stored_clip("a", "walk", ticks), crops=crops)
    for hook in hooks:
        hook.remove()
    assert seen == {"rgb": images, "flow": images * len(FLOWS)}


@pytest.mark.parametrize(
    ("ticks", "sample_every", "expected"),
    [
        (3, 1, [0, 1, 2]),  # no whole segment of 4: the partial one
        (7, 1, [3, 4, 5, 6]),  # one
        (8, 1, list(range(8))),  # two
        (50, 1, list(range(38, 50))),  # three at most
        (24, 5, [5, 10, 15, 20]),  # samples 0, 5, 10, 15, 20: one whole segment
    ],
)
def test_the_window_at_a_clips_end_by_hand(
    ticks: int, sample_every: int, expected: list[int]
) -> None:
    found = grid_ticks(ticks, segments=3, frames_per_segment=4, sample_every=sample_every)
    assert list(found) == expected
