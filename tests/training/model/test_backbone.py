"""Backbones from torchvision: shapes, the weights one may start from, and batch norm."""

import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from training.errors import WeightsError
from training.model.backbone import (
    FEATURE_WIDTHS,
    IMAGENET_RANGE,
    UNIT_RANGE,
    Backbone,
    build_backbone,
    cross_modality_start,
    level_filters,
    recalibrate_batch_norm,
    rgb_range,
)


def images(batch: int, *, channels: int = 3, size_px: int = 64) -> torch.Tensor:
    return torch.randn(
        batch, channels, size_px, size_px, generator=torch.Generator().manual_seed(1)
    )


@pytest.mark.parametrize(
    "name", ["resnet152", "resnet50", "resnet18", "mobilenet_v2", "tf_mobilenet_v2"]
)
def test_map_has_the_documented_width_and_a_32nd_of_the_side(name: str) -> None:
    backbone = build_backbone(name).eval()
    with torch.no_grad():
        maps = backbone(images(1))
    assert maps.shape == (1, FEATURE_WIDTHS[name], 2, 2)
    assert backbone.width == FEATURE_WIDTHS[name]


def test_unknown_backbone_names_the_known_ones() -> None:
    with pytest.raises(WeightsError, match=r"'alexnet'.*resnet152.*mobilenet_v2"):
        build_backbone("alexnet")


def test_a_tensorflow_backbone_is_torchvisions_seen_from_the_other_end(tmp_path: Path) -> None:
    """Padding at the end is padding at the beginning of a picture that is turned round."""
    torch.manual_seed(5)
    network = torchvision.models.mobilenet_v2(weights=None).eval()
    torch.save(network.state_dict(), tmp_path / "w.pt")
    backbone = build_backbone("tf_mobilenet_v2", weights=str(tmp_path / "w.pt")).eval()
    assert backbone.state_dict().keys() == build_backbone("mobilenet_v2").state_dict().keys()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.flip(-1, -2)
    picture = images(1)
    with torch.no_grad():
        turned = network.features(picture.flip(-1, -2)).flip(-1, -2)
        torch.testing.assert_close(backbone(picture), turned)


def test_torchvision_has_no_weights_for_a_tensorflow_backbone() -> None:
    with pytest.raises(WeightsError, match="give a file of them after --weights"):
        build_backbone("tf_mobilenet_v2", weights="imagenet")


@pytest.mark.parametrize("suffix", [".npz", ".pt"])
def test_a_file_with_torchvisions_state_dict_gives_torchvisions_map(
    tmp_path: Path, suffix: str
) -> None:
    torch.manual_seed(3)
    network = torchvision.models.resnet18(weights=None).eval()
    file = tmp_path / f"weights{suffix}"
    if suffix == ".npz":
        np.savez(file, **{key: value.numpy() for key, value in network.state_dict().items()})
    else:
        torch.save(network.state_dict(), file)
    backbone = build_backbone("resnet18", weights=str(file)).eval()
    with torch.no_grad():
        scores = network.fc(backbone(images(2)).mean((2, 3)))
        torch.testing.assert_close(scores, network(images(2)))


def test_the_mobilenet_npz_loads_strictly_and_in_fp32(weights_dir: Path) -> None:
    file = weights_dir / "mobilenet_v2_imagenet.npz"
    backbone = build_backbone("mobilenet_v2", weights=str(file))
    with np.load(file) as arrays:
        first = arrays["features.0.0.weight"]
    weight = backbone.body.get_parameter("0.0.weight")
    assert weight.dtype == torch.float32
    np.testing.assert_array_equal(weight.detach().numpy(), first.astype(np.float32))


def test_flow_starts_from_the_mean_over_rgb_repeated(tmp_path: Path) -> None:
    torch.manual_seed(4)
    network = torchvision.models.mobilenet_v2(weights=None)
    torch.save(network.state_dict(), tmp_path / "w.pt")
    flow = build_backbone("mobilenet_v2", channels=20, weights=str(tmp_path / "w.pt"))
    kernel = flow.body.get_parameter("0.0.weight")
    rgb = network.features[0][0].weight
    assert kernel.shape == (32, 20, 3, 3)
    for channel in range(20):
        torch.testing.assert_close(kernel[:, channel], (rgb[:, 0] + rgb[:, 1] + rgb[:, 2]) / 3)


def test_cross_modality_start_keeps_a_bias() -> None:
    body = nn.Sequential(nn.Conv2d(3, 2, 1, bias=True))
    bias = body[0].bias.detach().clone()
    cross_modality_start(body, 20)
    torch.testing.assert_close(body[0].bias, bias)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no weights file"), (b"", "not a readable"), (b"some text\n", "not a readable")],
)
@pytest.mark.parametrize("suffix", [".npz", ".pt"])
def test_a_bad_file_gets_a_sentence(
    tmp_path: Path, content: bytes | None, words: str, suffix: str
) -> None:
    file = tmp_path / f"weights{suffix}"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(WeightsError, match=words):
        build_backbone("resnet18", weights=str(file))


def test_weights_of_another_network_get_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "other.pt"
    torch.save(torchvision.models.mobilenet_v2(weights=None).state_dict(), file)
    with pytest.raises(WeightsError, match=r"do not fit the backbone resnet18"):
        build_backbone("resnet18", weights=str(file))


def test_unreachable_imagenet_weights_name_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*args: object, **kwargs: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", no_network)
    with pytest.raises(WeightsError, match=r"no route to host.*`--weights none\|FILE`"):
        build_backbone("resnet18", weights="imagenet")


def test_input_range_goes_with_the_weights() -> None:
    assert rgb_range("imagenet") == IMAGENET_RANGE
    assert rgb_range("some/file.npz") == UNIT_RANGE
    mean, std = torch.tensor(UNIT_RANGE)
    torch.testing.assert_close((torch.full((3,), 255.0) - mean) / std, torch.ones(3))
    # torchvision states its own on the 0..1 scale.
    np.testing.assert_allclose(np.array(IMAGENET_RANGE[0]) / 255, [0.485, 0.456, 0.406], atol=1e-9)
    np.testing.assert_allclose(np.array(IMAGENET_RANGE[1]) / 255, [0.229, 0.224, 0.225], atol=1e-9)


def folded_backbone() -> Backbone:
    """Batch norms as folded weights have them: scale 1, mean 0, variance 1 - eps, a bias."""
    torch.manual_seed(5)
    backbone = build_backbone("mobilenet_v2")
    for norm in backbone.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.constant_(norm.running_var, 1 - norm.eps)
            nn.init.normal_(norm.bias, std=0.2)
        elif isinstance(norm, nn.Conv2d):
            norm.weight.data.mul_(1.5)  # so that something is left of the signal at the end
    return backbone.eval()


@torch.no_grad()
def test_recalibration_keeps_the_outputs_and_makes_training_mode_agree() -> None:
    backbone, batch = folded_backbone(), images(16, size_px=96)
    before = backbone(batch)
    recalibrate_batch_norm(backbone, [batch[:6], batch[6:]])  # uneven batches count by size
    scale = before.abs().max()
    torch.testing.assert_close(backbone(batch) / scale, before / scale, atol=1e-4, rtol=0)
    trained = folded_backbone().train()(batch)
    assert (trained - before).abs().max() > 0.1 * scale  # what recalibration is there to prevent
    backbone.train()
    torch.testing.assert_close(backbone(batch) / scale, before / scale, atol=1e-4, rtol=0)


@torch.no_grad()
def test_levelled_filters_have_one_scale_and_the_same_outputs() -> None:
    """He et al. (2015): standard deviation sqrt(2 / fan in); a filter of zeros stays one."""
    backbone = folded_backbone()
    first = backbone.body.get_submodule("0.0")
    assert isinstance(first, nn.Conv2d)
    first.weight[0] *= 1e-3
    first.weight[1] *= 50.0
    first.weight[2] = 0.0
    batch = images(4, size_px=96)
    before = backbone(batch)
    recalibrate_batch_norm(backbone, [batch])
    level_filters(backbone)
    for conv in (m for m in backbone.modules() if isinstance(m, nn.Conv2d)):
        scales = conv.weight.square().mean((1, 2, 3)).sqrt() * (conv.weight[0].numel() / 2) ** 0.5
        kept = scales if conv is not first else scales[[0, 1, *range(3, 32)]]
        torch.testing.assert_close(kept, torch.ones_like(kept))
    assert not first.weight[2].any()
    scale = before.abs().max()
    torch.testing.assert_close(backbone(batch) / scale, before / scale, atol=1e-4, rtol=0)


@torch.no_grad()
def test_recalibration_measures_each_input() -> None:
    norm = nn.BatchNorm2d(2).eval()
    values = torch.tensor([[1.0, 10.0], [3.0, 10.0]]).view(2, 2, 1, 1)
    before = norm(values)
    recalibrate_batch_norm(nn.Sequential(norm), [values])
    torch.testing.assert_close(norm.running_mean, torch.tensor([2.0, 10.0]))
    torch.testing.assert_close(norm.running_var, torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(norm(values), before)


def test_recalibration_leaves_the_mode_as_it_was() -> None:
    backbone = build_backbone("resnet18").train()
    recalibrate_batch_norm(backbone, [images(2)])
    assert all(module.training for module in backbone.modules())
