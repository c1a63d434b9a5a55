"""How clips are prepared: everything that decides what is in a store."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from engine.flow.estimator import FlowParameter

Positive = Annotated[float, msgspec.Meta(gt=0)]
Pixels = Annotated[int, msgspec.Meta(ge=1)]


class PreparedFlow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """parameters: the estimator's, as `open_flow` takes them. bound_px: where bytes saturate."""

    parameters: dict[str, FlowParameter] = {}
    bound_px: Positive = 12.0


class Preparation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The defaults are the default bundle's.

    size: width and height in px. flows: by name; the first one is the default.
    grid_fps: ticks a second, or `native`: a clip's own frames are its ticks, whatever their times.
    """

    size: tuple[Pixels, Pixels] = (224, 176)
    grid_fps: Positive | Literal["native"] = 25.0
    flows: dict[str, PreparedFlow] = msgspec.field(
        default_factory=lambda: {"dis": PreparedFlow(parameters={"preset": "medium"})}
    )

    def __post_init__(self) -> None:
        if not self.flows:
            raise ValueError("flows must list one flow at least")

    @property
    def default_flow(self) -> str:
        return next(iter(self.flows))
