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

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from engine.arrays import F32, AnyArray
from engine.bundle import Bundle
from engine.calibration import fuse
from engine.errors import EngineDrift
from engine.graphs import Graphs
from engine.manifest import Manifest
from engine.pipeline import STREAMS, Pipeline, Windows

_OF_FRAMES = tuple(f"{s}_{what}" for s in STREAMS for what in ("input", "features", "attention"))


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
    """Run the bundle's golden inputs through what `graphs` run by."""
    manifest, golden = bundle.manifest, bundle.golden()
    pipeline = graphs.pipeline(manifest)
    cnn, attention, window = [], [], []
    for batch in sorted({*graphs.rgb.batches, *graphs.flow.batches}):
        for start in range(0, len(golden["rgb_input"]), batch):
            rows = np.arange(start, start + batch) % len(golden["rgb_input"])
            part = {name: golden[name][rows] for name in golden if name in _OF_FRAMES}
            found, maps = _seen(pipeline, manifest, part)
            cnn.append(_difference(found, _entered(pipeline, manifest, part)))
            attention += [_difference(maps[s], part[f"{s}_attention"]) for s in STREAMS]
    for batch in sorted({*graphs.rgb_head.batches, *graphs.flow_head.batches}):
        rolling = np.stack([golden["window_probabilities"]] * batch, axis=1)
        window.append(_difference(_rolling(pipeline, manifest, golden, batch), rolling))
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


def _seen(
    pipeline: Pipeline, manifest: Manifest, part: Mapping[str, AnyArray]
) -> tuple[F32, Mapping[str, F32]]:
    """What B cameras get whose first frames are these: fused probabilities [B,C], and attention."""
    with _begun(pipeline, len(part["rgb_input"])) as windows:
        seen = pipeline.step(windows, {s: list(part[f"{s}_input"]) for s in STREAMS})
        return _fused(windows, manifest), seen.attention


def _entered(pipeline: Pipeline, manifest: Manifest, part: Mapping[str, AnyArray]) -> F32:
    """The same of cameras whose first features are the golden ones: probabilities [B,C]."""
    with _begun(pipeline, len(part["rgb_features"])) as windows:
        pipeline.enter(windows, {s: part[f"{s}_features"] for s in STREAMS})
        return _fused(windows, manifest)


def _rolling(
    pipeline: Pipeline, manifest: Manifest, golden: Mapping[str, AnyArray], cameras: int
) -> F32:
    """The fused probabilities [W,cameras,C] at each sample of the golden features."""
    samples = []
    with _begun(pipeline, cameras) as windows:
        for features in zip(golden["window_rgb"], golden["window_flow"], strict=True):
            stacked = {
                s: np.stack([each] * cameras) for s, each in zip(STREAMS, features, strict=True)
            }
            pipeline.enter(windows, stacked)
            samples.append(_fused(windows, manifest))
    return np.stack(samples)


@contextmanager
def _begun(pipeline: Pipeline, cameras: int) -> Iterator[Windows]:
    """New windows of so many cameras, for a while."""
    windows = {stream: [pipeline.begin(stream) for _ in range(cameras)] for stream in STREAMS}
    try:
        yield windows
    finally:
        for of_stream in windows.values():
            for window in of_stream:
                pipeline.end(window)


def _fused(windows: Windows, manifest: Manifest) -> F32:
    """Each camera's fused probabilities [B,C]."""
    pairs = zip(windows["rgb"], windows["flow"], strict=True)
    return np.stack([fuse(a.scores(), b.scores(), manifest.calibration).fused for a, b in pairs])


def _worst(*differences: float) -> float:
    # A NaN is the worst there is, and Python's own max may pass it over.
    return float(np.max(differences))


def _difference(found: AnyArray, golden: AnyArray) -> float:
    if found.shape != golden.shape:
        return float("inf")
    return float(np.max(np.abs(found - golden)))
