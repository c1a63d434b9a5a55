"""Rolling scores of long footage, against the model's own window by window."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.data.stored import stored_clip
from training.errors import OutputError
from training.evaluation import rolling
from training.evaluation.clip_scores import Scores
from training.evaluation.rolling import bound_to, footage_scores, kept_scores, rolling_mean
from training.features import clip_features
from training.model.build import ModelConfig
from training.model.consensus import rolling_scores
from training.model.sta_tsn import StaTsn
from training.progress import Progress
from training.random_model import random_model


@pytest.fixture(scope="module")
def model() -> StaTsn:
    config = ModelConfig(
        classes=3, backbone="resnet18", hidden_width=8, input_size=32, frames_per_segment=4
    )
    return random_model(config, seed=2)


@pytest.mark.parametrize("ticks", [1, 3, 4, 7, 30])
@pytest.mark.parametrize(("chunk", "sample_every"), [(256, 1), (3, 1), (5, 2)])
def test_long_footage_is_scored_as_window_by_window(
    model: StaTsn,
    monkeypatch: pytest.MonkeyPatch,
    ticks: int,
    chunk: int,
    sample_every: int,
) -> None:
    monkeypatch.setattr(rolling, "_CHUNK", chunk)  # shorter and longer than a segment
    clip = stored_clip("a", "walk", ticks)
    found = footage_scores(
        model,
        bound_to(clip, ("dis", "tvl1")),
        sample_every=sample_every,
        side=32,
        progress=Progress(),
    )
    for name, head, features in (
        ("rgb", model.rgb_head, clip_features(model.rgb, "rgb", clip, side=32)),
        ("dis", model.flow_head, clip_features(model.flow, "flow", clip, side=32)),
        (
            "tvl1",
            model.flow_head,
            clip_features(model.flow, "flow", clip.with_flow("tvl1"), side=32),
        ),
    ):
        with torch.inference_mode():
            expected, _ = rolling_scores(
                head,
                torch.from_numpy(features[::sample_every]),
                segments=3,
                frames_per_segment=4,
            )
        np.testing.assert_allclose(found[name], expected.numpy(), rtol=1e-4, atol=1e-4)


def test_the_window_by_hand() -> None:
    # k = 2, N = 2: sample 0 is partial; from 1 on one whole segment; from 3 on two.
    ended = np.array([[1.0], [2.0], [4.0], [8.0], [16.0]], np.float32)
    found = rolling_mean(ended, segments=2, frames_per_segment=2)
    assert found[:, 0].tolist() == [1.0, 2.0, 4.0, (8 + 2) / 2, (16 + 4) / 2]


def test_scores_are_kept_and_computed_again_for_another_flow(tmp_path: Path) -> None:
    calls = []

    def compute() -> Scores:
        calls.append(1)
        return {name: np.ones((2, 3), np.float32) for name in ("rgb", "dis", "tvl1")}

    path = tmp_path / "scores" / "a.npz"
    kept_scores(path, ("rgb", "dis"), compute)
    found = kept_scores(path, ("rgb", "dis"), compute)
    assert found["dis"].shape == (2, 3)
    assert len(calls) == 1
    assert set(kept_scores(path, ("rgb", "tvl1"), compute)) >= {"rgb", "tvl1"}
    assert len(calls) == 2
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="free some space"):
        kept_scores(tmp_path / "file" / "a.npz", ("rgb",), compute)
