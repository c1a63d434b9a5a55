"""The whole model: normalisation, windows, the baselines of Table 2, its configuration."""

import dataclasses

import pytest
import torch

from training.errors import CheckpointError
from training.model.build import (
    ModelConfig,
    build,
    build_frame_classifier,
    build_head,
    build_stream,
)
from training.model.sta_tsn import StaTsn

CONFIG = ModelConfig(classes=4, backbone="resnet18", hidden_width=8, input_size=64)
GENERATOR = torch.Generator().manual_seed(0)
FRAMES = torch.randint(0, 256, (1, 30, 64, 64, 3), dtype=torch.uint8, generator=GENERATOR)
STACKS = torch.randint(1, 256, (1, 30, 20, 64, 64), dtype=torch.uint8, generator=GENERATOR)


@pytest.fixture(scope="module")
def model() -> StaTsn:
    torch.manual_seed(0)
    return build(CONFIG).eval()


def test_rgb_is_cast_and_normalised_inside() -> None:
    stream = build_stream(CONFIG, "rgb")
    frames = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 64, 64, 3)
    normalised = stream.normalise(frames)
    assert normalised.shape == (2, 3, 64, 64)
    torch.testing.assert_close(normalised[:, 0, 0, 0], torch.tensor([-1.0, 1.0]))


def test_zero_flow_is_zero_and_a_mirrored_flow_changes_sign() -> None:
    stream = build_stream(CONFIG, "flow")
    stacks = torch.tensor([128, 100, 256 - 100], dtype=torch.uint8).view(3, 1, 1, 1)
    zero, left, right = stream.normalise(stacks.expand(3, 20, 64, 64))[:, 0, 0, 0]
    assert zero == 0
    assert left == -right
    assert left < 0


def test_each_channel_has_its_own_mean() -> None:
    config = dataclasses.replace(CONFIG, rgb_mean=(10.0, 20.0, 30.0), rgb_std=(1.0, 2.0, 4.0))
    frame = torch.tensor([11.0, 22.0, 34.0]).expand(1, 64, 64, 3)  # float on the same scale
    normalised = build_stream(config, "rgb").normalise(frame)
    torch.testing.assert_close(normalised, torch.ones(1, 3, 64, 64))


@torch.no_grad()
def test_a_window_is_the_mean_of_both_streams(model: StaTsn) -> None:
    result = model.probabilities_of_window(FRAMES, STACKS)
    torch.testing.assert_close(result.probabilities, (result.p_rgb + result.p_flow) / 2)
    torch.testing.assert_close(result.probabilities.sum(-1), torch.ones(1))
    rgb, flow = model(FRAMES, STACKS)
    torch.testing.assert_close(result.p_rgb, rgb.softmax(-1))
    torch.testing.assert_close(result.p_flow, flow.softmax(-1))
    by_segment = result.temporal_attention.view(3, 10).sum(-1)
    torch.testing.assert_close(by_segment, torch.ones(3))


@torch.no_grad()
def test_the_stream_ends_where_the_paper_evaluates(model: StaTsn) -> None:
    """At sample 29 the rolling prediction is the paper's over the same 30 frames."""
    rgb, _ = model.rgb(FRAMES[0])
    flow, _ = model.flow(STACKS[0])
    rolling = model.rolling_probabilities(rgb, flow)
    whole = model.probabilities_of_window(FRAMES, STACKS)
    for row, window in zip(rolling, whole, strict=True):
        torch.testing.assert_close(row[29], window[0])


def test_a_window_of_another_length_is_refused(model: StaTsn) -> None:
    with pytest.raises(ValueError, match="30 frames, instead got 29"):
        model(FRAMES[:, :29], STACKS)


def test_a_head_of_another_width_is_refused(model: StaTsn) -> None:
    wide = build_head(dataclasses.replace(CONFIG, backbone="mobilenet_v2"))
    with pytest.raises(ValueError, match="flow stream gives 512 features, but its head takes 1280"):
        StaTsn(
            rgb=model.rgb,
            flow=model.flow,
            rgb_head=model.rgb_head,
            flow_head=wide,
            segments=3,
            frames_per_segment=10,
            temperatures=model.temperatures,
        )


@torch.no_grad()
def test_baselines_of_table_2_share_the_parts() -> None:
    torch.manual_seed(1)
    attentive = build_frame_classifier(CONFIG, "rgb").eval()
    plain = build_frame_classifier(
        dataclasses.replace(CONFIG, spatial_attention=False), "rgb"
    ).eval()
    same = {k: v for k, v in attentive.state_dict().items() if ".attention." not in k}
    plain.load_state_dict(same, strict=True)  # CNN is SA-CNN without the attention
    images = FRAMES[0, :6]
    features, _ = plain.stream(images)
    maps = plain.stream.backbone(plain.stream.normalise(images))
    torch.testing.assert_close(features, maps.mean((2, 3)))
    assert not torch.allclose(attentive(images), plain(images))
    # TSN: three images a clip, their scores averaged.
    consensus = attentive.consensus(images.view(2, 3, 64, 64, 3))
    torch.testing.assert_close(consensus, attentive(images).view(2, 3, 4).mean(1))


def test_training_reaches_every_parameter_but_the_constants() -> None:
    """A gradient everywhere except where softmax cancels a constant (design, section 8)."""
    torch.manual_seed(2)
    model = build(CONFIG).eval()
    sum(scores.square().sum() for scores in model(FRAMES, STACKS)).backward()
    silent = {
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or parameter.grad.abs().max() < 1e-9
    }
    constants = {
        name
        for name, _ in model.named_parameters()
        if name.endswith(("attention.bias", "attention.levels.0.weight"))
        # with 64 px the map is 2x2, and every level is the map itself except the one bin
    }
    assert silent <= constants


def test_configuration_survives_a_checkpoint() -> None:
    assert ModelConfig.from_dict(CONFIG.to_dict()) == CONFIG


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"depth": 3}, "unknown keys .depth."),
        ({"input_size": 100}, "multiple of 16 from 32 on, instead got 100"),
        ({"flow_downsampling": 3}, "multiple of flow_downsampling, instead got 64 and 3"),
        ({"backbone": "vgg"}, "instead got vgg"),
        ({"classes": 0}, "classes must be at least 1, instead got 0"),
    ],
)
def test_a_wrong_configuration_says_what_is_wrong(change: dict[str, object], words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        ModelConfig.from_dict({**CONFIG.to_dict(), **change})


def test_the_papers_sizes() -> None:
    paper = ModelConfig(classes=21, backbone="resnet152", hidden_width=2048, input_size=224)
    assert (paper.feature_width, paper.window) == (2048, 30)
