"""What a first stage starts from: a bundle's own weights, as far as both models agree."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from engine.errors import BundleNotFound
from training.errors import WeightsError
from training.export import export_bundle, load_bundle
from training.model.build import ModelConfig
from training.model.sta_tsn import FrameClassifier
from training.random_model import random_model
from training.start import input_range, start_frame_classifier

CONFIG = ModelConfig(
    classes=3,
    backbone="resnet18",
    hidden_width=4,
    input_size=32,
    rgb_mean=(10.0, 20.0, 30.0),
    rgb_std=(40.0, 50.0, 60.0),
    flow_mean=(127.0,),
    flow_std=(33.0,),
)
CLASSES = ("jump", "run", "wave")
MANIFEST = {
    "name": "tiny",
    "version": "1",
    "classes": CLASSES,
    "resize": (40, 32),
    "grid_fps": 25.0,
    "sample_every": 1,
    "flows": {"dis": {"bound_px": 12.0}},
    "licence": "Apache-2.0",
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("start") / "bundle"
    export_bundle(random_model(CONFIG, seed=3), CONFIG, folder, manifest=MANIFEST)
    return f"bundle:{folder}"


def images() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8))


def test_a_stream_goes_on_from_all_of_a_bundle_and_its_input_range(bundle: str) -> None:
    fields = input_range(bundle)
    assert fields == {
        "rgb_mean": CONFIG.rgb_mean,
        "rgb_std": CONFIG.rgb_std,
        "flow_mean": CONFIG.flow_mean,
        "flow_std": CONFIG.flow_std,
    }
    config = ModelConfig(classes=3, backbone="resnet18", **fields)
    started = start_frame_classifier(config, "rgb", CLASSES, weights=bundle).eval()
    model = load_bundle(bundle.removeprefix("bundle:"))
    with torch.inference_mode():
        features, attention = model.rgb(images())
        expected = model.rgb_head.classifier(features)
        torch.testing.assert_close(started(images()), expected)
        torch.testing.assert_close(started.stream(images())[1], attention)


def test_the_classifier_starts_with_the_classes_that_are_known(bundle: str) -> None:
    config = dataclasses.replace(CONFIG, classes=2)
    started = start_frame_classifier(config, "flow", ("swim", "wave"), weights=bundle)
    known = load_bundle(bundle.removeprefix("bundle:")).flow_head.classifier
    torch.testing.assert_close(started.classifier.weight[1], known.weight[2])
    torch.testing.assert_close(started.classifier.bias[1], known.bias[2])
    assert not (started.classifier.weight[0] == known.weight).all(1).any()


def test_a_model_without_attention_takes_the_backbone_alone(bundle: str) -> None:
    config = dataclasses.replace(CONFIG, spatial_attention=False)
    started = start_frame_classifier(config, "rgb", CLASSES, weights=bundle).eval()
    model = load_bundle(bundle.removeprefix("bundle:"))
    with torch.inference_mode():
        maps = model.rgb.backbone(model.rgb.normalise(images()))
        torch.testing.assert_close(started.stream(images())[0], maps.mean((2, 3)))


def test_a_bundle_of_another_backbone_gets_a_sentence(bundle: str) -> None:
    config = dataclasses.replace(CONFIG, backbone="resnet50")
    with pytest.raises(WeightsError, match=r"backbone resnet18, and the recipe resnet50"):
        start_frame_classifier(config, "rgb", CLASSES, weights=bundle)


def test_a_bundle_that_is_not_there_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFound, match="there is no bundle"):
        input_range(f"bundle:{tmp_path / 'none'}")


def scales_of_filters(model: FrameClassifier) -> torch.Tensor:
    """Of the first layer after the input's, whose shape is the same for both streams."""
    weight = model.stream.backbone.body.get_parameter("layer1.0.conv1.weight")
    return weight.square().mean((1, 2, 3)).sqrt() / (2 / weight[0].numel()) ** 0.5


@pytest.mark.parametrize("folded", [True, False])
def test_folded_filters_are_levelled_for_flow_and_kept_for_rgb(
    tmp_path: Path, folded: bool
) -> None:
    torch.manual_seed(1)
    network = torchvision.models.resnet18(weights=None)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d) and not folded:
            nn.init.normal_(norm.running_mean, std=0.1)
    network.layer1[0].conv1.weight.data[0] *= 30.0
    torch.save(network.state_dict(), tmp_path / "w.pt")
    stacks = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 20, 32, 32), np.uint8))
    for modality, inputs in (("rgb", images()), ("flow", stacks)):
        started = start_frame_classifier(
            CONFIG, modality, CLASSES, weights=str(tmp_path / "w.pt"), images=[inputs]
        )
        scales = scales_of_filters(started)
        if folded and modality == "flow":
            torch.testing.assert_close(scales, torch.ones_like(scales))
        else:
            assert scales[0] > 10 * scales[1:].max()


def test_the_default_bundle_can_be_trained_on() -> None:
    fields = input_range("bundle:default")
    assert set(fields) == {"rgb_mean", "rgb_std", "flow_mean", "flow_std"}
    assert fields["flow_std"] == (57.6,)  # as a recipe without a bundle has it
