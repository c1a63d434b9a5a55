"""Features of clips: a crop like the stream's, kept, and never taken from other weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.preprocess import centre_crop
from training.data.frame_store import StoredClip
from training.features import cached_features, clip_features
from training.model.build import ModelConfig, build_stream
from training.model.sta_tsn import SpatialStream
from training.progress import Progress

CONFIG = ModelConfig(classes=2, backbone="resnet18", input_size=32)


@pytest.fixture(scope="module")
def clip() -> StoredClip:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (20, 36, 44, 3)).astype(np.uint8)
    flow = rng.integers(1, 256, (20, 2, 36, 44)).astype(np.uint8)
    return StoredClip("walk/a", "walk", "a", frames, flow)


@pytest.fixture
def stream() -> SpatialStream:
    torch.manual_seed(0)
    return build_stream(CONFIG, "rgb").eval()


def test_each_tick_has_the_feature_of_its_centre_crop(
    clip: StoredClip, stream: SpatialStream
) -> None:
    features = clip_features(stream, "rgb", clip, side=32)
    assert features.shape == (20, 512)
    crop = torch.from_numpy(centre_crop(clip.frames[17], 32, channels_last=True))
    with torch.inference_mode():
        expected, _ = stream(crop[None])
    np.testing.assert_allclose(features[17], expected[0].numpy(), rtol=1e-4, atol=1e-5)
    some = clip_features(stream, "rgb", clip, side=32, ticks=[3, 17])
    np.testing.assert_allclose(some[1], features[17], rtol=1e-4, atol=1e-5)


def test_flow_features_are_of_the_stack_that_ends_at_the_tick(clip: StoredClip) -> None:
    torch.manual_seed(0)
    stream = build_stream(CONFIG, "flow").eval()
    features = clip_features(stream, "flow", clip, side=32, ticks=[12])
    pairs = np.concatenate([clip.flow[pair] for pair in range(3, 13)])  # [20, H, W]
    crop = torch.from_numpy(centre_crop(pairs, 32, channels_last=False))
    with torch.inference_mode():
        expected, _ = stream(crop[None])
    np.testing.assert_allclose(features[0], expected[0].numpy(), rtol=1e-4, atol=1e-5)


def test_features_are_of_the_side_and_the_clips_that_are_asked_for(
    tmp_path: Path, clip: StoredClip, stream: SpatialStream
) -> None:
    def kept(clips: list[StoredClip], side: int) -> dict[str, np.ndarray]:
        return cached_features(
            stream,
            "rgb",
            clips,
            views=1,
            side=side,
            seed=0,
            precision="fp32",
            folder=tmp_path,
            name="set",
            progress=Progress(),
        )[0]

    of_one, other = kept([clip], 32), replace(clip, key="walk/b")
    assert set(kept([clip, other], 32)) == {"walk/a", "walk/b"}
    smaller = kept([clip], 16)["walk/a"]
    assert not np.allclose(smaller, of_one["walk/a"], atol=1e-3)


def test_features_are_kept_for_the_weights_that_made_them(
    tmp_path: Path, clip: StoredClip, stream: SpatialStream
) -> None:
    def views() -> list[dict[str, np.ndarray]]:
        return cached_features(
            stream,
            "rgb",
            [clip],
            views=2,
            side=32,
            seed=0,
            precision="fp32",
            folder=tmp_path,
            name="set",
            progress=Progress(),
        )

    first = views()
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2
    stamps = [file.stat().st_mtime_ns for file in files]
    assert not np.allclose(first[0]["walk/a"], first[1]["walk/a"])  # another crop
    again = views()
    np.testing.assert_array_equal(first[0]["walk/a"], again[0]["walk/a"])
    assert [file.stat().st_mtime_ns for file in files] == stamps
    with torch.no_grad():
        next(stream.parameters()).mul_(0.5)
    views()
    assert len(list(tmp_path.iterdir())) == 4
