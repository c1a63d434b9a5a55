"""Both protocols on features, against the model's own whole-window and rolling forms."""

import numpy as np
import pytest
import torch

from training.data.sampling import global_ticks
from training.evaluate import global_prediction, last_prediction, summary
from training.model.build import ModelConfig, build
from training.model.sta_tsn import Predictions, StaTsn


@pytest.fixture(scope="module")
def model() -> StaTsn:
    torch.manual_seed(0)
    config = ModelConfig(
        classes=4, backbone="resnet18", hidden_width=8, input_size=32, frames_per_segment=4
    )
    return build(config).eval()


@pytest.mark.parametrize("ticks", [1, 3, 7, 12, 30])
def test_the_last_sample_is_scored_as_a_stream_would(model: StaTsn, ticks: int) -> None:
    rgb, flow = torch.randn(2, ticks, 512)
    with torch.inference_mode():
        rolling = model.rolling_probabilities(rgb, flow)
        found = last_prediction(model, rgb, flow)
    torch.testing.assert_close(found.probabilities[0], rolling.probabilities[-1])
    torch.testing.assert_close(found.temporal_attention[0], rolling.temporal_attention[-1])


def test_a_clip_as_long_as_the_window_is_the_same_in_both_protocols(model: StaTsn) -> None:
    rgb, flow = torch.randn(2, 12, 512)
    with torch.inference_mode():
        spread = global_prediction(model, rgb, flow)
        grid = last_prediction(model, rgb, flow)
    torch.testing.assert_close(spread.probabilities, grid.probabilities)


def test_a_long_clip_is_spread_over(model: StaTsn) -> None:
    rgb, flow = torch.randn(2, 40, 512)
    ticks = global_ticks(40, 12)
    with torch.inference_mode():
        expected = last_prediction(model, rgb[ticks], flow[ticks])
        found = global_prediction(model, rgb, flow)
    torch.testing.assert_close(found.probabilities, expected.probabilities)


def test_a_summary_counts_each_stream_by_itself() -> None:
    def prediction(fused: list[float], rgb: list[float], flow: list[float]) -> Predictions:
        parts = [torch.tensor([part]) for part in (fused, rgb, flow)]
        return Predictions(*parts, torch.zeros(1, 12))

    report = summary(
        [
            prediction([0.9, 0.1], [0.9, 0.1], [0.1, 0.9]),
            prediction([0.6, 0.4], [0.4, 0.6], [0.2, 0.8]),
        ],
        np.array([0, 1]),
        ("walk", "wave"),
    )
    assert report["accuracy"] == {"rgb+flow": 0.5, "rgb": 1.0, "flow": 0.5}
    assert report["classes"] == {"walk": 1.0, "wave": 0.0}
    assert report["mistakes"] == [{"true": "wave", "predicted": "walk", "clips": 1}]
    assert report["count"] == 2
