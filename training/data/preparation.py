"""How clips are prepared: everything that decides what is in a store."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import msgspec

from engine.flow.estimator import FlowParameter
from engine.manifest import Manifest

FINITE = sys.float_info.max
Positive = Annotated[float, msgspec.Meta(gt=0, le=FINITE)]
Pixels = Annotated[int, msgspec.Meta(ge=1)]


class PreparedFlow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """parameters: the estimator's, as `open_flow` takes them. bound_px: where bytes saturate."""

    parameters: dict[str, FlowParameter] = {}
    bound_px: Positive = 12.0


class Preparation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The defaults are the default bundle's.

    size: width and height in px. flows: by name; the first one is the default.
    flow_downsampling (p): flow is estimated on the grey picture reduced to one p-th of its width
        and height. It is smooth: half of each is a quarter of the work, for training and for a
        stream, and `bound_px` is then of the smaller picture's pixels.
    grid_fps: ticks a second, or `native`: a clip's own frames are its ticks, whatever their times.
    """

    size: tuple[Pixels, Pixels] = (224, 176)
    grid_fps: Positive | Literal["native"] = 25.0
    flows: dict[str, PreparedFlow] = msgspec.field(
        default_factory=lambda: {"dis": PreparedFlow(parameters={"preset": "medium"})}
    )
    flow_downsampling: Pixels = 1

    def __post_init__(self) -> None:
        if any(side % self.flow_downsampling for side in self.size):
            raise ValueError(
                f"flow_downsampling, {self.flow_downsampling}, must divide both sides of `size`"
            )
        if not self.flows:
            raise ValueError("flows must list one flow at least")

    @property
    def flow_size(self) -> tuple[int, int]:
        """Width and height in px of the picture that flow is estimated on."""
        width, height = self.size
        return width // self.flow_downsampling, height // self.flow_downsampling

    @property
    def default_flow(self) -> str:
        return next(iter(self.flows))


def preparation_of(manifest: Manifest, flow: str) -> Preparation:
    """How clips are prepared for a bundle: as its daemon does."""
    entry = manifest.flows[flow]
    return Preparation(
        size=manifest.resize,
        grid_fps=manifest.grid_fps,
        flows={flow: PreparedFlow(parameters=entry.parameters, bound_px=entry.bound_px)},
        flow_downsampling=manifest.flow_downsampling,
    )
