"""A compiled stream gives what torch gives with the rounded weights."""

import pytest
import torch

from training.features import digest_of
from training.frozen import FrozenStream, freeze_streams
from training.golden import moving_pattern, stream_outputs
from training.model.build import FLOW_CHANNELS, Modality, ModelConfig, build
from training.model.sta_tsn import SpatialStream, StaTsn
from training.onnx_export import round_weights
from training.random_model import random_model


@pytest.mark.parametrize("modality", ["rgb", "flow"])
def test_features_and_attention_are_those_of_torch(modality: Modality) -> None:
    config = ModelConfig(classes=3, input_size=64, hidden_width=8, spatial_gain=4.0)
    model = random_model(config, seed=1)
    pattern = moving_pattern(5, size_px=64, flow_channels=FLOW_CHANNELS)
    images = pattern.frames if modality == "rgb" else pattern.stacks
    stream = getattr(model, modality)
    frozen = FrozenStream(stream)
    features, attention = frozen(torch.from_numpy(images))
    round_weights(stream)
    expected, expected_attention = stream_outputs(stream, images)
    assert features.std() > 0.1  # there is something to compare
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(attention, expected_attention, rtol=1e-4, atol=1e-5)


def test_the_callers_mixed_precision_has_no_part_in_the_graph() -> None:
    stream = random_model(ModelConfig(classes=3, input_size=64, hidden_width=8), seed=1).rgb
    images = torch.from_numpy(moving_pattern(2, size_px=64, flow_channels=FLOW_CHANNELS).frames)
    expected, _ = FrozenStream(stream)(images)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        features, _ = FrozenStream(stream)(images)
    assert torch.equal(features, expected)


def test_streams_that_are_not_on_the_cpu_stay_in_torch() -> None:
    # `meta` stands in for a GPU: a device that no CPU graph can be made from.
    model = build(ModelConfig(classes=3, input_size=64, hidden_width=8)).to("meta")
    freeze_streams(model)
    assert type(model.rgb) is type(model.flow) is SpatialStream
    assert not model.training


def test_a_models_digest_is_the_same_before_and_after_it_is_compiled() -> None:
    config = ModelConfig(classes=3, input_size=32, hidden_width=8)

    def digests(model: StaTsn) -> list[str]:
        found = [digest_of(freeze_streams(model))]
        model.rgb(torch.zeros(1, 32, 32, 3, dtype=torch.uint8))
        model.flow(torch.zeros(1, FLOW_CHANNELS, 32, 32, dtype=torch.uint8))
        return [*found, digest_of(model)]

    model, other = random_model(config, seed=2), random_model(config, seed=2)
    with torch.no_grad():
        next(other.flow.backbone.parameters()).add_(1)
    before, after = digests(model)
    assert before == after
    assert after not in digests(other)


def test_streams_on_the_cpu_are_compiled() -> None:
    model = random_model(ModelConfig(classes=3, input_size=64, hidden_width=8), seed=2)
    freeze_streams(model)
    assert type(model.rgb) is type(model.flow) is FrozenStream
