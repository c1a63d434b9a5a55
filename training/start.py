"""What a stream starts from: nothing, ImageNet's weights, a file of them, or a bundle.

`weights` is "none", "imagenet" or a file, which `training.model.backbone` reads, or
"bundle:NAME_OR_PATH": then the streams go on from a model that was trained before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from engine.bundle import Bundle
from engine.manifest import Manifest
from training.device import CPU
from training.errors import WeightsError
from training.export import load_bundle, read_bundle
from training.model.backbone import (
    batch_norm_is_folded,
    level_filters,
    recalibrate_batch_norm,
    rgb_range,
)
from training.model.build import Modality, ModelConfig, build_frame_classifier
from training.model.sta_tsn import FrameClassifier, StaTsn

_BUNDLE = "bundle:"


def input_range(weights: str) -> dict[str, Any]:
    """The fields of `ModelConfig` for mean and standard deviation that `weights` expect.

    Raises BundleError or ExportError for a bundle that can't be read.
    """
    if not weights.startswith(_BUNDLE):
        mean, std = rgb_range(weights)
        return {"rgb_mean": mean, "rgb_std": std}
    _, config = read_bundle(weights.removeprefix(_BUNDLE))
    return {key: getattr(config, key) for key in ("rgb_mean", "rgb_std", "flow_mean", "flow_std")}


def start_frame_classifier(
    config: ModelConfig,
    modality: Modality,
    classes: Sequence[str],
    *,
    weights: str,
    images: Iterable[Tensor] = (),
    device: torch.device = CPU,
) -> FrameClassifier:
    """A stream's first stage on `device`, as `weights` begin it.

    ImageNet's weights may have their batch norms folded: those get the statistics of `images`,
    batches [B, ...] on `device` of what is to be trained on, and unchanged outputs. Flow, which
    changes them most, begins with such filters levelled (`level_filters`).

    From a bundle come the backbone, spatial attention where both models have it, and the
    classifier's rows of those `classes` that the bundle knows. Everything else is drawn at random.

    Raises:
        WeightsError: weights that can't be had, or don't fit the backbone.
        BundleError or ExportError: a bundle that can't be read.
    """
    if weights.startswith(_BUNDLE):
        model = build_frame_classifier(config, modality)
        _take_from_bundle(model, modality, classes, config, weights.removeprefix(_BUNDLE))
        return model.to(device)
    model = build_frame_classifier(config, modality, weights=weights).to(device)
    if weights != "none":
        folded = batch_norm_is_folded(model.stream)
        recalibrate_batch_norm(model.stream, images)
        if folded and modality == "flow":
            level_filters(model.stream)
    return model


@torch.no_grad()
def _take_from_bundle(
    model: FrameClassifier,
    modality: Modality,
    classes: Sequence[str],
    config: ModelConfig,
    path: str,
) -> None:
    bundle, manifest = _open(path)
    if manifest.backbone != config.backbone:
        raise WeightsError(
            f"The bundle {path} has the backbone {manifest.backbone}, and the recipe "
            f"{config.backbone}: give a bundle of that backbone, or change `model.backbone`."
        )
    own, trained = model.stream.state_dict(), getattr(bundle, modality).state_dict()
    model.stream.load_state_dict({key: trained.get(key, own[key]) for key in own})
    known = getattr(bundle, f"{modality}_head").classifier
    for row, label in enumerate(classes):
        if label in manifest.classes:
            number = manifest.classes.index(label)
            model.classifier.weight[row] = known.weight[number]
            model.classifier.bias[row] = known.bias[number]


@cache
def _open(path: str) -> tuple[StaTsn, Manifest]:
    """A bundle's model, which nobody may change, and its manifest."""
    return load_bundle(path), Bundle.open(path).manifest
