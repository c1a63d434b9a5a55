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

Each is tried with every number of rows that the graphs were compiled for: to a device these are
different code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from engine.arrays import F32, AnyArray
from engine.bundle import Bundle
from engine.calibration import fuse
from engine.errors import EngineDrift
from engine.lanes import Lanes, lane_step
from engine.manifest import Manifest
from engine.runners.runner import Graphs, Runner

_OF_FRAMES = ("rgb_features", "flow_features", "rgb_attention", "flow_attention")


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


def pass_gate(bundle: Bundle, graphs: Graphs, progress: Callable[[str], None]) -> None:
    """Measure, say it, and raise EngineDrift where it is too much."""
    measured = measure(bundle, graphs)
    progress(str(measured))
    require(bundle, measured)


def measure(bundle: Bundle, graphs: Graphs) -> Parity:
    """Run the bundle's golden inputs through `graphs`."""
    manifest, golden = bundle.manifest, bundle.golden()
    cnn, attention, window = [], [], []
    for batch in sorted({*graphs.rgb.batches, *graphs.flow.batches}):
        rgb = _run(graphs.rgb, golden["rgb_input"], batch)
        flow = _run(graphs.flow, golden["flow_input"], batch)
        rows = len(rgb["features"])
        expected = {name: _repeated(golden[name], rows) for name in golden if name in _OF_FRAMES}
        cnn.append(
            _difference(
                _first(graphs, manifest, rgb["features"], flow["features"]),
                _first(graphs, manifest, expected["rgb_features"], expected["flow_features"]),
            )
        )
        attention.append(_difference(rgb["attention"], expected["rgb_attention"]))
        attention.append(_difference(flow["attention"], expected["flow_attention"]))
    for batch in sorted({*graphs.rgb_head.batches, *graphs.flow_head.batches}):
        rolling = np.stack([golden["window_probabilities"]] * batch, axis=1)
        window.append(_difference(_rolling(graphs, manifest, golden, batch), rolling))
    tolerance = manifest.tolerated(graphs.precision)
    if tolerance is None:
        raise EngineDrift(
            f"bundle '{manifest.name}' states no tolerance for {graphs.precision}; use --precision "
            "fp32"
        )
    return Parity(graphs.precision, _worst(*cnn), _worst(*attention), _worst(*window), tolerance)


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


def _rolling(
    graphs: Graphs, manifest: Manifest, golden: Mapping[str, AnyArray], cameras: int
) -> F32:
    """The fused probabilities [W,cameras,C] at each sample of the golden features."""
    rgb, flow = ([Lanes.of(manifest) for _ in range(cameras)] for _ in range(2))
    samples = []
    for from_rgb, from_flow in zip(golden["window_rgb"], golden["window_flow"], strict=True):
        lane_step(graphs.rgb_head, rgb, np.stack([from_rgb] * cameras))
        lane_step(graphs.flow_head, flow, np.stack([from_flow] * cameras))
        samples.append(_fused(rgb, flow, manifest))
    return np.stack(samples)


def _run(cnn: Runner, frames: AnyArray, batch: int) -> dict[str, AnyArray]:
    """All `frames`, `batch` at a time; those that the last batch lacks are the first ones again."""
    starts = range(0, len(frames), batch)
    frames = _repeated(frames, len(starts) * batch)
    parts = [cnn.run({"frames": frames[start : start + batch]}) for start in starts]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _repeated(array: AnyArray, rows: int) -> AnyArray:
    return array[np.arange(rows) % len(array)]


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
