"""bundle.json: everything about a model that its weights don't say, so that nobody has to guess."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from engine.errors import BundleFormat, FlowMismatch
from engine.flow.estimator import FlowParameter
from engine.flow.stack import STACK
from engine.grid import Grid

FORMAT = 1  # the only bundle format there is so far

Count = Annotated[int, msgspec.Meta(ge=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Text = Annotated[str, msgspec.Meta(min_length=1)]


class FlowEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A flow that the bundle accepts.

    bound_px: flow is clipped to +-bound (px per grid step, of the picture that flow is estimated
        on) before it becomes bytes.
    parameters: the estimator's, as `engine.flow.open.open_flow` takes them.
    accuracy: the test accuracy measured with this flow, 0..1; None where nobody measured.
    """

    bound_px: Positive
    parameters: dict[str, FlowParameter] = {}
    accuracy: Share | None = None


Fusion = Literal["probabilities", "scores"]


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Temperatures: of either stream's scores, and of the fused probabilities. 1 is the paper.

    fusion: what is averaged over the streams: their probabilities, or their scores.
    """

    rgb: Positive = 1.0
    flow: Positive = 1.0
    fused: Positive = 1.0
    fusion: Fusion = "probabilities"


class Accuracy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One measured result. value: top-1, 0..1. protocol: global or grid. streams: rgb+flow, ..."""

    data_set: Text
    split: Text
    protocol: Text
    streams: Text
    value: Share
    note: str = ""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a bundle says of itself.

    segments (N), frames_per_segment (k): the window is N * k samples of the grid.
    feature_width (D), hidden_width (H): of the CNN's feature and of the LSTM.
    input_size (S): frames are resized to `resize` (width, height), then cropped to S x S px.
    flow_downsampling (p): flow is estimated on the grey picture reduced to one p-th of its width
        and height, and the flow graph takes S/p x S/p px.
    flows: by name; the first one is the default.
    abstain_below: no answer below this fused probability; 0 always answers.
    tolerance: by precision, the largest difference from the golden probabilities that an engine
        may show. A precision that isn't listed isn't offered (but see `tolerated`).
    agreement: by precision, how many of its answers were those of fp32, where its maker measured
        that on clips.
    """

    format: int = FORMAT
    name: Text
    version: Text
    classes: tuple[str, ...]
    backbone: Text
    segments: Count
    frames_per_segment: Count
    feature_width: Count
    hidden_width: Count
    input_size: Count
    resize: tuple[Count, Count]
    grid_fps: Positive
    sample_every: Count
    spatial_gain: float = 1.0
    flow_downsampling: Count = 1
    flows: dict[str, FlowEntry]
    calibration: Calibration = Calibration()
    abstain_below: Share = 0.0
    tolerance: dict[str, Positive] = msgspec.field(default_factory=lambda: {"fp32": 1e-4})
    agreement: dict[str, Share] = {}
    accuracy: tuple[Accuracy, ...] = ()
    licence: Text
    attribution: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise ValueError("classes must be two or more different names")
        if self.input_size > min(self.resize):
            raise ValueError(f"input_size {self.input_size} doesn't fit in resize {self.resize}")
        if any(side % self.flow_downsampling for side in (self.input_size, *self.resize)):
            raise ValueError(
                f"flow_downsampling {self.flow_downsampling} doesn't divide input_size "
                f"{self.input_size} and resize {self.resize}"
            )
        if not self.flows:
            raise ValueError("flows must list one flow at least")
        if "fp32" not in self.tolerance:
            raise ValueError("tolerance must state fp32")

    @property
    def window_samples(self) -> int:
        """N * k: how many samples a whole prediction sees (the paper's 30)."""
        return self.segments * self.frames_per_segment

    @property
    def window_s(self) -> float:
        """How much time a whole prediction sees, in seconds."""
        return self.window_samples / self.prediction_hz

    @property
    def prediction_hz(self) -> float:
        return self.grid_fps / self.sample_every

    @property
    def grid(self) -> Grid:
        return Grid(self.grid_fps, self.sample_every)

    @property
    def crop(self) -> tuple[int, int, int, int]:
        """What the RGB graph sees of the resized picture: left, top, width and height in px."""
        width, height = self.resize
        side = self.input_size
        return (width - side) // 2, (height - side) // 2, side, side

    @property
    def flow_size(self) -> int:
        """The side of the flow graph's input, S/p, in px."""
        return self.input_size // self.flow_downsampling

    @property
    def flow_resize(self) -> tuple[int, int]:
        """Width and height of the picture that flow is estimated on, in px."""
        width, height = self.resize
        return width // self.flow_downsampling, height // self.flow_downsampling

    @property
    def flow_channels(self) -> int:
        return 2 * STACK

    @property
    def default_flow(self) -> str:
        return next(iter(self.flows))

    def tolerated(self, precision: str) -> float | None:
        """The tolerance for `precision`; None where the bundle states none.

        fp16 keeps three bits more than bf16: where its own isn't stated, it is held to bf16's.
        """
        stated = self.tolerance.get(precision)
        return self.tolerance.get("bf16") if stated is None and precision == "fp16" else stated

    def flow_entry(self, name: str, allow_mismatch: bool = False) -> FlowEntry:
        """The parameters to run flow `name` with.

        allow_mismatch: run a flow that the bundle doesn't list, with that flow's own parameters and
            the default flow's bound; nobody has measured how accurate that is.
        Raises FlowMismatch for a flow that isn't listed.
        """
        if name in self.flows:
            return self.flows[name]
        if not allow_mismatch:
            raise FlowMismatch(
                f"bundle '{self.name}' was not trained on flow '{name}'; use "
                f"{' or '.join(self.flows)}, or --allow-flow-mismatch to run it unmeasured"
            )
        return FlowEntry(bound_px=self.flows[self.default_flow].bound_px)

    def encode(self) -> bytes:
        """The text of bundle.json."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    @classmethod
    def decode(cls, text: bytes) -> Manifest:
        """Read bundle.json. Raises BundleFormat, naming the key's path."""
        try:
            # The version first: a newer format's keys would only be called unknown.
            written = msgspec.json.decode(text, type=_Versioned).format
            if written != FORMAT:
                raise BundleFormat(
                    f"bundle.json has format {written}, and this version reads format {FORMAT}; "
                    "update gesta, or export the bundle again with this version"
                )
            return msgspec.json.decode(text, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BundleFormat(f"bundle.json is wrong: {error}; export the bundle again") from error


class _Versioned(msgspec.Struct, frozen=True):
    format: int
