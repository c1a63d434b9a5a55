"""TV-L1's parameters: OpenCV's names and defaults, whoever computes the flow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.errors import FlowMismatch
from engine.flow.estimator import FlowParameter


@dataclass(frozen=True)
class TvL1Settings:
    """tau: step of the dual variables. lambda_: weight of the data term. theta: how tightly the
    data term's copy of the flow follows it. epsilon: where iterations stop early, px a pixel; 0:
    never. median_filtering: side of the filter before each outer iteration, px; 1: none.
    """

    tau: float = 0.25
    lambda_: float = 0.15
    theta: float = 0.3
    scales: int = 5
    warps: int = 5
    epsilon: float = 0.01
    inner_iterations: int = 30
    outer_iterations: int = 10
    scale_step: float = 0.8
    median_filtering: int = 5

    @staticmethod
    def of(parameters: Mapping[str, FlowParameter]) -> TvL1Settings:
        """From a bundle's or a recipe's parameters; what they leave out is OpenCV's default.

        Raises FlowMismatch for a name that isn't known or a value that can't be.
        """
        unknown = set(parameters) - set(PARAMETERS)
        if unknown:
            raise FlowMismatch(
                f"flow tvl1 has no parameter '{min(unknown)}'; it has {', '.join(PARAMETERS)}"
            )
        fields = {PARAMETERS[name]: _checked(name, value) for name, value in parameters.items()}
        return TvL1Settings(**fields)  # type: ignore[arg-type]  # whole where the field is


# By a parameter's name in a manifest: the field's, `lambda` being no name in Python.
PARAMETERS = {name.rstrip("_"): name for name in TvL1Settings.__dataclass_fields__}


def _checked(name: str, value: FlowParameter) -> float:
    default = getattr(TvL1Settings, PARAMETERS[name])
    if isinstance(value, (bool, str)) or (isinstance(default, int) and not isinstance(value, int)):
        kind = "whole number" if isinstance(default, int) else "number"
        raise FlowMismatch(f"{name} of flow tvl1 is a {kind}, not {value!r}")
    if name == "median_filtering" and value not in (1, 3, 5):
        raise FlowMismatch(f"median_filtering of flow tvl1 is 1, 3 or 5, not {value}")
    if name == "scale_step" and not 0 < value < 1:
        raise FlowMismatch(f"scale_step of flow tvl1 lies between 0 and 1, not at {value}")
    if not (value > 0 or (name == "epsilon" and value == 0)):
        raise FlowMismatch(f"{name} of flow tvl1 is above 0, not {value}")
    return value
