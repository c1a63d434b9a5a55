"""The parity gate: does a compiled graph still give the numbers that the bundle was made with?

Each bundle carries golden inputs and the fp32 outputs that its maker got. Before anything is
recognised, the graphs run them here. All differences are stated on probabilities, where a user
would feel them:

    cnn        one segment of a single sample, from the golden frame's feature as computed here
               against the golden feature, through the same head
    attention  the spatial attention maps, which are probabilities over positions
    window     a whole window of golden features through the lanes, against the golden rolling
               predictions, calibrated and fused
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine.arrays import F32, AnyArray
from engine.bundle import Bundle
from engine.calibration import fuse, softmax
from engine.errors import EngineDrift
from engine.lanes import Lanes, lane_step
from engine.manifest import Manifest
from engine.runners.runner import Graphs, Runner


@dataclass(frozen=True)
class Parity:
    """The largest differences from the golden numbers, and the `tolerance` for `worst`."""

    precision: str
    cnn: float
    attention: float
    window: float
    tolerance: float

    @property
    def worst(self) -> float:
        # A NaN is the worst there is, and Python's max may pass it over.
        return float(np.max([self.cnn, self.attention, self.window]))

    @property
    def holds(self) -> bool:
        return self.worst <= self.tolerance

    def __str__(self) -> str:
        return (
            f"{self.precision}: {self.worst:.1e} from the golden probabilities "
            f"(tolerance {self.tolerance:.1e})"
        )


def measure(bundle: Bundle, graphs: Graphs) -> Parity:
    """Run the bundle's golden inputs through `graphs`."""
    manifest, golden = bundle.manifest, bundle.golden()
    rgb = graphs.rgb.run({"frames": golden["rgb_input"]})
    flow = graphs.flow.run({"frames": golden["flow_input"]})
    cnn = max(
        _through_head(graphs.rgb_head, manifest, rgb["features"], golden["rgb_features"]),
        _through_head(graphs.flow_head, manifest, flow["features"], golden["flow_features"]),
        key=_nan_last,
    )
    attention = max(
        _difference(rgb["attention"], golden["rgb_attention"]),
        _difference(flow["attention"], golden["flow_attention"]),
        key=_nan_last,
    )
    window = _difference(_rolling(graphs, manifest, golden), golden["window_probabilities"])
    tolerance = manifest.tolerance[graphs.precision]
    return Parity(graphs.precision, cnn, attention, window, tolerance)


def require(bundle: Bundle, parity: Parity) -> None:
    """Raises EngineDrift, with both numbers, where the differences exceed the tolerance."""
    if not parity.holds:
        raise EngineDrift(
            f"the compiled graphs of bundle '{bundle.manifest.name}' drift in {parity} "
            f"[cnn {parity.cnn:.1e}, attention {parity.attention:.1e}, window "
            f"{parity.window:.1e}]; use another precision, or export the bundle again"
        )


def _through_head(head: Runner, manifest: Manifest, found: F32, golden: F32) -> float:
    """The difference that two sets of features [B,D] make to a first sample's probabilities."""
    probabilities = []
    for features in (found, golden):
        lanes = [Lanes.of(manifest) for _ in features]
        lane_step(head, lanes, features)
        probabilities.append(softmax(np.stack([row.scores() for row in lanes])))
    return _difference(*probabilities)


def _rolling(graphs: Graphs, manifest: Manifest, golden: Mapping[str, AnyArray]) -> F32:
    """The fused probabilities [W,C] at each sample of the golden features."""
    rgb, flow = Lanes.of(manifest), Lanes.of(manifest)
    rows = []
    for t in range(len(golden["window_rgb"])):
        lane_step(graphs.rgb_head, [rgb], golden["window_rgb"][t : t + 1])
        lane_step(graphs.flow_head, [flow], golden["window_flow"][t : t + 1])
        rows.append(fuse(rgb.scores(), flow.scores(), manifest.calibration).fused)
    return np.stack(rows)


def _difference(found: AnyArray, golden: AnyArray) -> float:
    if found.shape != golden.shape:
        return float("inf")
    return float(np.max(np.abs(found - golden)))


def _nan_last(value: float) -> float:
    return float("inf") if np.isnan(value) else value
