"""The parity gate: does a compiled graph still give the numbers that the bundle was made with?

Each bundle carries golden inputs and the fp32 outputs that its maker got. Before anything is
recognised, the graphs run them here. All differences are stated on probabilities, where a user
would feel them:

    cnn        the first prediction of a camera that sees a golden frame, from the features as
               computed here against the golden features, both through the head as it runs here;
               a whole window would average the difference away
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
from engine.calibration import fuse
from engine.errors import EngineDrift
from engine.lanes import Lanes, lane_step
from engine.manifest import Manifest
from engine.runners.runner import Graphs

_CAMERAS = 5  # that the window is run for: a batch of four and one over, which use every graph


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
        return _worst(self.cnn, self.attention, self.window)

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
    cnn = _difference(
        _first(graphs, manifest, rgb["features"], flow["features"]),
        _first(graphs, manifest, golden["rgb_features"], golden["flow_features"]),
    )
    attention = _worst(
        _difference(rgb["attention"], golden["rgb_attention"]),
        _difference(flow["attention"], golden["flow_attention"]),
    )
    rolling = np.stack([golden["window_probabilities"]] * _CAMERAS, axis=1)
    window = _difference(_rolling(graphs, manifest, golden), rolling)
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


def _first(graphs: Graphs, manifest: Manifest, rgb: F32, flow: F32) -> F32:
    """The fused probabilities [B,C] of B cameras whose first features are rgb, flow [B,D]."""
    rgb_lanes, flow_lanes = ([Lanes.of(manifest) for _ in rgb] for _ in range(2))
    lane_step(graphs.rgb_head, rgb_lanes, rgb)
    lane_step(graphs.flow_head, flow_lanes, flow)
    return _fused(rgb_lanes, flow_lanes, manifest)


def _rolling(graphs: Graphs, manifest: Manifest, golden: Mapping[str, AnyArray]) -> F32:
    """The fused probabilities [W,CAMERAS,C] at each sample of the golden features."""
    rgb, flow = ([Lanes.of(manifest) for _ in range(_CAMERAS)] for _ in range(2))
    samples = []
    for from_rgb, from_flow in zip(golden["window_rgb"], golden["window_flow"], strict=True):
        lane_step(graphs.rgb_head, rgb, np.stack([from_rgb] * _CAMERAS))
        lane_step(graphs.flow_head, flow, np.stack([from_flow] * _CAMERAS))
        samples.append(_fused(rgb, flow, manifest))
    return np.stack(samples)


def _fused(rgb: list[Lanes], flow: list[Lanes], manifest: Manifest) -> F32:
    """Each camera's fused probabilities [B,C]."""
    pairs = zip(rgb, flow, strict=True)
    return np.stack([fuse(a.scores(), b.scores(), manifest.calibration).fused for a, b in pairs])


def _worst(*differences: float) -> float:
    # A NaN is the worst there is, and Python's own max may pass it over.
    return float(np.max(differences))


def _difference(found: AnyArray, golden: AnyArray) -> float:
    if found.shape != golden.shape:
        return float("inf")
    return float(np.max(np.abs(found - golden)))
