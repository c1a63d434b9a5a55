"""A model nobody trained, whose numbers behave like a trained one's: for tests and benchmarks.

Freshly drawn weights in eval mode explode (batch norms that never saw data) or say nothing (equal
probabilities for every input). Here each layer's scale is set by a few inputs, so that features
stay finite and predictions differ from sample to sample.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.golden import moving_pattern, stream_outputs
from training.model.build import FLOW_CHANNELS, ModelConfig, build
from training.model.key_frames import KeyFrameExploration
from training.model.sta_tsn import SpatialStream, StaTsn

_IMAGES = 16  # that set the scales
_SCORE_SPREAD = 1.0  # standard deviation of the scores over samples
# Of every batch norm before its activation: five of six units are then on. A deep random network
# with half of them off is chaotic, and blows rounding errors up a thousand times.
_BIAS = 1.0


@torch.no_grad()
def random_model(config: ModelConfig, *, seed: int = 0) -> StaTsn:
    """A model of this configuration, the same one for the same seed; in eval mode."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        model = build(config).eval()
    pattern = moving_pattern(
        _IMAGES,
        size_px=config.input_size,
        flow_px=config.flow_size,
        flow_channels=FLOW_CHANNELS,
        seed=seed,
    )
    for stream, head, images in (
        (model.rgb, model.rgb_head, pattern.frames),
        (model.flow, model.flow_head, pattern.stacks),
    ):
        _measure_batch_norms(stream, torch.from_numpy(images))
        features, _ = stream_outputs(stream, images)  # [T, D]
        _spread(head, features)
    return model


def _measure_batch_norms(stream: SpatialStream, images: Tensor) -> None:
    """Take every batch norm's statistics from one batch, layer after layer."""
    norms = [module for module in stream.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # the plain mean over batches: of this one alone
        nn.init.constant_(norm.bias, _BIAS)
    stream.train()
    stream(images)
    stream.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _spread(head: KeyFrameExploration, features: Tensor) -> None:
    """Scale LSTM, attention and classifier by what they make of features [T, D], in place."""
    weight_ih, _, bias_ih, _ = head.lstm.all_weights[0]
    entered = features @ weight_ih.T  # [T, 4H]
    gain = 1.0 / entered.std(dim=0).mean()
    weight_ih.mul_(gain)
    bias_ih.copy_(-gain * entered.mean(dim=0))

    outputs, _ = head.lstm(features.unsqueeze(0))  # [1, T, H]
    logits = head.attention(outputs)  # [1, T, 1]
    head.attention.weight.mul_(1.0 / logits.std())

    scores = features @ head.classifier.weight.T  # [T, C]
    gain = _SCORE_SPREAD / scores.std(dim=0).mean()
    head.classifier.weight.mul_(gain)
    head.classifier.bias.copy_(-gain * scores.mean(dim=0))
