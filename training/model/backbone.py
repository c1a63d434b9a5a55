"""The convolutional backbones: torchvision's networks, cut before their pooling.

Shapes: B batch, S input side in pixels, D feature width, h w rows and columns (S / 32, rounded up).

Weights are "none", "imagenet" (torchvision's own, fetched by torchvision), or a file with a
state dict of the whole torchvision network: .npz (one array a key) or .pt. Weights that were
trained in TensorFlow see the picture's edge right only in the backbone that is named with `tf_`.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torchvision
from torch import Tensor, nn

from training.errors import WeightsError
from training.model.end_padding import EndPaddedConv2d

# Feature width D of each backbone: channels of its last convolutional map.
FEATURE_WIDTHS: Mapping[str, int] = {
    "resnet152": 2048,  # the paper's
    "resnet50": 2048,
    "resnet18": 512,
    "mobilenet_v2": 1280,
    "tf_mobilenet_v2": 1280,  # the same layers, padded as TensorFlow pads: for weights from there
}
_TENSORFLOW = "tf_"
_DOWNSAMPLING = 32  # of every backbone above

# Mean and standard deviation on the 0..255 scale, for R, G and B.
UNIT_RANGE = ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5))  # x / 127.5 - 1
IMAGENET_RANGE = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))  # torchvision's weights


def rgb_range(weights: str) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and standard deviation (0..255 scale) of the input that `weights` were trained on."""
    return IMAGENET_RANGE if weights == "imagenet" else UNIT_RANGE


def map_side(input_side: int) -> int:
    """H, the rows and columns of the last map of an input of so many px a side."""
    return -(-input_side // _DOWNSAMPLING)


class Backbone(nn.Module):
    """Normalised images [B, channels, S, S] -> the last convolutional map [B, D, h, w]."""

    def __init__(self, *, body: nn.Sequential, width: int) -> None:
        super().__init__()
        self.body = body
        self.width = width

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.body(images))


def build_backbone(name: str, *, channels: int = 3, weights: str = "none") -> Backbone:
    """The backbone `name`, for `channels` input channels, started from `weights`.

    Other than 3 channels begin from the same weights by the cross-modality start.

    Raises:
        WeightsError: unknown backbone; weights that are unreachable, unreadable, or do not fit.
    """
    if name not in FEATURE_WIDTHS:
        raise WeightsError(
            f"There is no backbone {name!r}: choose one of {', '.join(FEATURE_WIDTHS)}."
        )
    architecture = name.removeprefix(_TENSORFLOW)
    network: nn.Module = torchvision.models.get_model(architecture, weights=None)
    if weights != "none":
        _load(network, name, weights)
    if name != architecture:
        _pad_at_end(network)
    if architecture == "mobilenet_v2":
        body = cast(nn.Sequential, network.features)
    else:
        layers = [(key, child) for key, child in network.named_children() if key not in _POOLED]
        body = nn.Sequential(OrderedDict(layers))
    if channels != 3:
        cross_modality_start(body, channels)
    return Backbone(body=body, width=FEATURE_WIDTHS[name])


def _pad_at_end(network: nn.Module) -> None:
    """Give `network`'s convolutions of stride 2 TensorFlow's padding, in place."""
    strided = {
        path: conv
        for path, conv in network.named_modules()
        if isinstance(conv, nn.Conv2d) and conv.stride == (2, 2)
    }
    for path, conv in strided.items():
        padded = _like(conv, EndPaddedConv2d, channels=conv.in_channels)
        padded.load_state_dict(conv.state_dict())
        _replace(network, path, padded)


def _like(conv: nn.Conv2d, kind: type[nn.Conv2d], *, channels: int) -> nn.Conv2d:
    """A convolution of this kind and of the shape of `conv`, for `channels` input channels."""
    return kind(
        channels,
        conv.out_channels,
        cast(tuple[int, int], conv.kernel_size),
        stride=cast(tuple[int, int], conv.stride),
        padding=cast(tuple[int, int], conv.padding),
        groups=conv.groups,
        bias=conv.bias is not None,
    )


def _replace(network: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(network.get_submodule(parent), name, module)


def cross_modality_start(body: nn.Module, channels: int) -> None:
    """Give the first convolution of `body` another number of input channels, in place.

    Its kernel becomes the mean over R, G and B, repeated for every channel: the start of the
    temporal stream in TSN (Wang et al., 2016, section 3.2, "cross modality pre-training").
    """
    path, first = next((p, m) for p, m in body.named_modules() if isinstance(m, nn.Conv2d))
    widened = _like(first, type(first), channels=channels)
    with torch.no_grad():
        # [out, 3, kh, kw] -> [out, channels, kh, kw]
        widened.weight.copy_(first.weight.mean(dim=1, keepdim=True).expand_as(widened.weight))
        if first.bias is not None and widened.bias is not None:
            widened.bias.copy_(first.bias)
    _replace(body, path, widened)


def batch_norm_is_folded(module: nn.Module) -> bool:
    """Whether the batch norms of `module` carry no statistics: no mean is anything but 0."""
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    return not any(norm.running_mean is not None and norm.running_mean.any() for norm in norms)


@torch.no_grad()
def recalibrate_batch_norm(module: nn.Module, batches: Iterable[Tensor]) -> None:
    """Make folded batch norms trainable: own statistics, unchanged outputs, in place.

    Weights whose batch norm was folded carry statistics (0 and 1) that are not those of their
    inputs: right in eval mode, destroyed by the first step in training mode. One eval pass over
    `batches` measures each batch norm's input; its running statistics become those, and its
    weight and bias absorb the change. Use some hundred frames of the data to be trained on.

    Args:
        batches: inputs of `module`, one tensor a batch.
    """
    sums: dict[nn.BatchNorm2d, Tensor] = {}  # [3, C]: count, sum, sum of squares (fp64)

    def measure(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].double()  # [B, C, h, w]
        total, squares = values.sum((0, 2, 3)), values.square().sum((0, 2, 3))
        count = torch.full_like(total, values.numel() / values.shape[1])
        moments = torch.stack((count, total, squares))
        key = cast(nn.BatchNorm2d, norm)
        sums[key] = sums[key] + moments if key in sums else moments

    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(measure) for norm in norms]
    was_training = module.training
    module.eval()
    try:
        for batch in batches:
            module(batch)
    finally:
        for hook in hooks:
            hook.remove()
        module.train(was_training)
    for norm, (count, total, squares) in sums.items():
        _absorb(norm, mean=total / count, variance=squares / count - (total / count).square())


def _absorb(norm: nn.BatchNorm2d, *, mean: Tensor, variance: Tensor) -> None:
    """Set running statistics [C] (fp64); weight and bias change so that eval outputs stay."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    slope = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    bias = norm.bias.double() + (mean - norm.running_mean.double()) * slope
    variance = variance.clamp_min(0.0)
    norm.weight.copy_(slope * (variance + norm.eps).sqrt())
    norm.bias.copy_(bias)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)


@torch.no_grad()
def level_filters(module: nn.Module) -> None:
    """Give each filter before a batch norm the scale of a fresh one (He et al., 2015), in place.

    Folding leaves filters of very different scales: in MobileNetV2 from 0.02 to 100 times a fresh
    one's. A step of Adam is as long for each weight, so some move by half and others by a
    thousandth. Batch norm undoes a filter's scale: outputs in eval mode stay what they were.

    For weights that are to change much, as flow's are. Those that are to be kept, as RGB's are,
    change more by the same learning rate.
    """
    layers = [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    for conv, norm in pairwise(layers):
        if not (isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)):
            continue
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scales = conv.weight.square().mean((1, 2, 3)).sqrt()  # [out]
        fresh = math.sqrt(2 / conv.weight[0].numel())
        factor = torch.where(scales > 0, fresh / scales, 1.0)
        variance = norm.running_var.double()
        wanted = variance * factor.double().square()
        # Exactly the same in spite of eps, which isn't scaled.
        undone = ((wanted + norm.eps) / (variance + norm.eps)).sqrt() / factor
        conv.weight.mul_(factor.view(-1, 1, 1, 1))
        norm.weight.copy_(norm.weight.double() * undone)
        norm.running_mean.mul_(factor)
        norm.running_var.copy_(wanted)


_POOLED = ("avgpool", "fc")  # a ResNet's last two children, after the last convolutional map


def _load(network: nn.Module, name: str, weights: str) -> None:
    state = _fetch(name) if weights == "imagenet" else _read(Path(weights))
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise WeightsError(
            f"The weights {weights} do not fit the backbone {name} ({reason}): give a state dict "
            f"of torchvision's {name.removeprefix(_TENSORFLOW)}, with its classifier, or "
            "`--weights none`."
        ) from error


def _fetch(name: str) -> Mapping[str, Tensor]:
    if name.startswith(_TENSORFLOW):
        raise WeightsError(
            f"torchvision has no weights for {name}: give a file of them after --weights, or take "
            f"the backbone {name.removeprefix(_TENSORFLOW)}."
        )
    # The first published set for each: the paper's generation of weights.
    published = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
    try:
        return cast(Mapping[str, Tensor], published.get_state_dict(progress=True, check_hash=True))
    except (OSError, RuntimeError) as error:  # no network; or a hash that does not match
        raise WeightsError(
            f"The ImageNet weights of {name} could not be fetched ({error}). Connect once so that "
            "torchvision can cache them, or choose `--weights none|FILE`."
        ) from error


def _read(path: Path) -> dict[str, Tensor]:
    """A state dict from .npz or .pt; floating point becomes fp32."""
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                state = {key: torch.from_numpy(arrays[key]) for key in arrays.files}
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
            if not all(isinstance(value, Tensor) for value in state.values()):
                raise ValueError("not a flat state dict")
    except FileNotFoundError as error:
        raise WeightsError(
            f"There is no weights file {path}: check the path after --weights, or use "
            "`--weights imagenet|none`."
        ) from error
    except Exception as error:  # numpy's, zip's and pickle's errors for a file that is not one
        raise WeightsError(
            f"{path} is not a readable weights file ({type(error).__name__}): give an .npz or .pt "
            "state dict of a torchvision network."
        ) from error
    return {
        key: value.float() if value.is_floating_point() else value for key, value in state.items()
    }
