"""STA-TSN: two streams of spatial attention, key-frame exploration, segment consensus.

Shapes: B batch, N segments, k frames per segment, T samples, C classes, D feature width,
S input side in pixels, h w rows and columns of the last convolutional map.

    frames ─► SpatialStream ─► features ─► KeyFrameExploration ─► segment scores ─┐
    stacks ─► SpatialStream ─► features ─► KeyFrameExploration ─► segment scores ─┴► probabilities

Table 2 from the same parts: CNN is a `FrameClassifier` without attention, SA-CNN one with it,
SA-CNN+TSN the same scored by `FrameClassifier.consensus`, and STA-TSN is `StaTsn`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from training.model.backbone import Backbone
from training.model.consensus import (
    Temperatures,
    fuse,
    rolling_scores,
    segment_consensus,
    stream_probabilities,
)
from training.model.key_frames import KeyFrameExploration
from training.model.spatial_attention import PlainPooling, SpatialAttention


class SpatialStream(nn.Module):
    """One modality up to its feature: images -> (features [B, D], attention [B, h, w]).

    Takes the bytes as they are stored, and casts and normalises them itself, so that no caller
    can get it wrong: RGB [B, S, S, 3], or flow stacks [B, 20, S, S]; uint8, or float on the same
    0..255 scale (augmented images).

    Args:
        backbone: exposes `width`, D. attention: map [B, D, h, w] -> (features, attention).
        mean, std: on the 0..255 scale, one for each channel, or one for all.
        channels_last: the images come as [B, S, S, channels].
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        backbone: Backbone,
        attention: SpatialAttention | PlainPooling,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        channels_last: bool,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.attention = attention
        self.channels_last = channels_last
        # Buffers: the normalisation travels with the weights, into checkpoint and bundle.
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))

    @property
    def width(self) -> int:
        return self.backbone.width

    @property
    def device(self) -> torch.device:
        return self.mean.device

    def normalise(self, images: Tensor) -> Tensor:
        """Images as stored -> [B, channels, S, S], what the backbone takes."""
        images = images.to(self.mean.dtype)
        if self.channels_last:
            images = images.permute(0, 3, 1, 2)  # [B, S, S, 3] -> [B, 3, S, S]
        return (images - self.mean.view(-1, 1, 1)) / self.std.view(-1, 1, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.backbone(self.normalise(images))  # [B, D, h, w]
        features, attention = self.attention(maps)
        return features, attention


class FrameClassifier(nn.Module):
    """The first stage of one stream: each image classified by itself (CNN or SA-CNN)."""

    def __init__(self, *, stream: SpatialStream, classes: int, dropout: float) -> None:
        super().__init__()
        self.stream = stream
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(stream.width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images [B, ...] -> class scores [B, C]."""
        features, _ = self.stream(images)
        scores: Tensor = self.classifier(self.dropout(features))
        return scores

    def consensus(self, images: Tensor) -> Tensor:
        """TSN: images [B, N, ...], one a segment -> the mean of their scores [B, C]."""
        batch, segments = images.shape[:2]
        scores: Tensor = self(images.flatten(0, 1))  # [B·N, C]
        return segment_consensus(scores.view(batch, segments, -1))


class Predictions(NamedTuple):
    """For each window, or each sample of a rolling evaluation (then T instead of B)."""

    probabilities: Tensor  # [B, C], fused and calibrated
    p_rgb: Tensor  # [B, C]
    p_flow: Tensor  # [B, C]
    temporal_attention: Tensor  # [B, N·k], mean of both streams; each segment sums to 1


class StaTsn(nn.Module):
    """Both streams with their heads; windows of N·k frames -> probabilities.

    Args:
        rgb, flow: streams of one feature width. rgb_head, flow_head: for that width.
        segments: N. frames_per_segment: k.
        temperatures: the calibration that predictions are given with.
    """

    def __init__(
        self,
        *,
        rgb: SpatialStream,
        flow: SpatialStream,
        rgb_head: KeyFrameExploration,
        flow_head: KeyFrameExploration,
        segments: int,
        frames_per_segment: int,
        temperatures: Temperatures,
    ) -> None:
        super().__init__()
        for name, stream, head in (("rgb", rgb, rgb_head), ("flow", flow, flow_head)):
            if stream.width != head.lstm.input_size:
                raise ValueError(
                    f"the {name} stream gives {stream.width} features, "
                    f"but its head takes {head.lstm.input_size}"
                )
        self.rgb = rgb
        self.flow = flow
        self.rgb_head = rgb_head
        self.flow_head = flow_head
        self.segments = segments
        self.frames_per_segment = frames_per_segment
        self.temperatures = temperatures

    def forward(self, frames: Tensor, stacks: Tensor) -> tuple[Tensor, Tensor]:
        """Frames [B, N·k, S, S, 3] and stacks [B, N·k, 20, S, S] -> each stream's scores [B, C]."""
        rgb, _ = self._stream_scores(self.rgb, self.rgb_head, frames)
        flow, _ = self._stream_scores(self.flow, self.flow_head, stacks)
        return rgb, flow

    def probabilities_of_window(self, frames: Tensor, stacks: Tensor) -> Predictions:
        """The paper's evaluation of whole windows, one crop; shapes as in `forward`."""
        rgb, beta_rgb = self._stream_scores(self.rgb, self.rgb_head, frames)
        flow, beta_flow = self._stream_scores(self.flow, self.flow_head, stacks)
        return self.predict(rgb, flow, (beta_rgb + beta_flow) / 2)

    def rolling_probabilities(self, rgb_features: Tensor, flow_features: Tensor) -> Predictions:
        """Features [T, D] of consecutive samples from sample 0 -> a prediction at each of them.

        `rolling_scores` has the rule for windows that are not yet full.
        """
        k = self.frames_per_segment
        rgb, beta_rgb = rolling_scores(
            self.rgb_head, rgb_features, segments=self.segments, frames_per_segment=k
        )
        flow, beta_flow = rolling_scores(
            self.flow_head, flow_features, segments=self.segments, frames_per_segment=k
        )
        return self.predict(rgb, flow, (beta_rgb + beta_flow) / 2)

    def predict(self, rgb: Tensor, flow: Tensor, temporal_attention: Tensor) -> Predictions:
        """Class scores [B, C] of both streams -> calibrated probabilities."""
        p_rgb = stream_probabilities(rgb, self.temperatures.rgb)
        p_flow = stream_probabilities(flow, self.temperatures.flow)
        fused = fuse(p_rgb, p_flow, self.temperatures.fused, self.temperatures.fusion)
        return Predictions(fused, p_rgb, p_flow, temporal_attention)

    def _stream_scores(
        self, stream: SpatialStream, head: KeyFrameExploration, images: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Images [B, N·k, ...] -> (scores [B, C], beta [B, N·k])."""
        window = self.segments * self.frames_per_segment
        if images.shape[1] != window:
            raise ValueError(f"a window has {window} frames, instead got {images.shape[1]}")
        features, _ = stream(images.flatten(0, 1))  # [B·N·k, D]
        features = features.view(-1, self.segments, self.frames_per_segment, stream.width)
        scores, beta = head(features)  # [B, N, C], [B, N, k]
        return segment_consensus(scores), beta.flatten(1)
