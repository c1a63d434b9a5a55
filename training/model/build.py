"""From a frozen configuration to modules: the only place where the two meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from training.errors import CheckpointError
from training.model.backbone import FEATURE_WIDTHS, UNIT_RANGE, build_backbone
from training.model.consensus import Temperatures
from training.model.key_frames import KeyFrameExploration
from training.model.spatial_attention import PlainPooling, SpatialAttention
from training.model.sta_tsn import FrameClassifier, SpatialStream, StaTsn

Modality = Literal["rgb", "flow"]
FLOW_CHANNELS = 20  # x and y of 10 consecutive flows


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Everything that decides the shape and the arithmetic of a model.

    The defaults are the default bundle's. The paper's: backbone "resnet152",
    hidden_width 2048, input_size 224.
    """

    classes: int
    backbone: str = "mobilenet_v2"
    hidden_width: int = 256
    input_size: int = 160  # S, in pixels
    segments: int = 3  # N
    frames_per_segment: int = 10  # k
    spatial_attention: bool = True  # False: the baseline of Table 2's first row
    spatial_gain: float = 1.0
    frame_dropout: float = 0.5  # before the first stage's classifier
    segment_dropout: float = 0.0  # before the second stage's
    rgb_mean: tuple[float, ...] = UNIT_RANGE[0]
    rgb_std: tuple[float, ...] = UNIT_RANGE[1]
    # 128 is zero flow, so a mirrored flow is an exact change of sign. The scale is TSN's: the
    # mean of ImageNet's standard deviations, since the first kernel comes from ImageNet.
    flow_mean: tuple[float, ...] = (128.0,)
    flow_std: tuple[float, ...] = (57.6,)
    flow_downsampling: int = 1  # p: flow stacks have S / p px a side

    def __post_init__(self) -> None:
        if self.backbone not in FEATURE_WIDTHS:
            raise ValueError(
                f"backbone must be one of {', '.join(FEATURE_WIDTHS)}, instead got {self.backbone}"
            )
        if self.input_size < 32 or self.input_size % 16:
            raise ValueError(
                f"input_size must be a multiple of 16 from 32 on, instead got {self.input_size}"
            )
        for name in (
            "classes",
            "hidden_width",
            "segments",
            "frames_per_segment",
            "flow_downsampling",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, instead got {getattr(self, name)}")
        if self.input_size % self.flow_downsampling:
            raise ValueError(
                f"input_size must be a multiple of flow_downsampling, instead got "
                f"{self.input_size} and {self.flow_downsampling}"
            )

    @property
    def feature_width(self) -> int:
        return FEATURE_WIDTHS[self.backbone]

    @property
    def flow_size(self) -> int:
        """The side of a flow stack, S / p."""
        return self.input_size // self.flow_downsampling

    @property
    def window(self) -> int:
        """Frames of one prediction, N·k."""
        return self.segments * self.frames_per_segment

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """The inverse of `to_dict`.

        Raises:
            CheckpointError: unknown or missing keys, or impossible values.
        """
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise CheckpointError(
                f"The model configuration has unknown keys ({', '.join(unknown)}): "
                "it was written by another version; train or export with that one."
            )
        flat: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        try:
            return cls(**flat)
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"The model configuration does not hold: {error}.") from error


def build(
    config: ModelConfig, *, weights: str = "none", temperatures: Temperatures | None = None
) -> StaTsn:
    """The whole model; `weights` as in `training.model.backbone`, for both streams."""
    return StaTsn(
        rgb=build_stream(config, "rgb", weights=weights),
        flow=build_stream(config, "flow", weights=weights),
        rgb_head=build_head(config),
        flow_head=build_head(config),
        segments=config.segments,
        frames_per_segment=config.frames_per_segment,
        temperatures=temperatures or Temperatures(),
    )


def build_stream(
    config: ModelConfig, modality: Modality, *, weights: str = "none"
) -> SpatialStream:
    """One stream, up to its features."""
    rgb = modality == "rgb"
    attention: SpatialAttention | PlainPooling = PlainPooling()
    if config.spatial_attention:
        attention = SpatialAttention(width=config.feature_width, gain=config.spatial_gain)
    return SpatialStream(
        backbone=build_backbone(
            config.backbone, channels=3 if rgb else FLOW_CHANNELS, weights=weights
        ),
        attention=attention,
        mean=config.rgb_mean if rgb else config.flow_mean,
        std=config.rgb_std if rgb else config.flow_std,
        channels_last=rgb,
    )


def build_frame_classifier(
    config: ModelConfig, modality: Modality, *, weights: str = "none"
) -> FrameClassifier:
    """The first stage of one stream; its `.stream` goes into the whole model afterwards."""
    return FrameClassifier(
        stream=build_stream(config, modality, weights=weights),
        classes=config.classes,
        dropout=config.frame_dropout,
    )


def build_head(config: ModelConfig) -> KeyFrameExploration:
    """The second stage of one stream."""
    return KeyFrameExploration(
        width=config.feature_width,
        hidden=config.hidden_width,
        classes=config.classes,
        dropout=config.segment_dropout,
    )
