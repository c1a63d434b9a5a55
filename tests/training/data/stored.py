"""Stored clips made up in memory, for tests."""

import numpy as np

from training.data.frame_store import StoredClip


def stored_clip(
    name: str,
    label: str,
    ticks: int,
    *,
    size: tuple[int, int] = (44, 36),
    also: tuple[str, ...] = (),
    seed: int = 0,
) -> StoredClip:
    """Noise that drifts, and two made-up flows, `dis` and `tvl1`; pair 0 is zero."""
    rng = np.random.default_rng((seed, ticks, len(label)))
    width, height = size
    ground = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    frames = np.stack([np.roll(ground, 2 * tick, axis=1) for tick in range(ticks)])
    flows = {}
    for flow in ("dis", "tvl1"):
        flows[flow] = rng.integers(64, 193, (ticks, 2, height, width)).astype(np.uint8)
        flows[flow][0] = 128
    return StoredClip(
        f"{label}/{name}",
        label,
        name,
        frames,
        flows["dis"],
        also=also,
        other_flows={"tvl1": flows["tvl1"]},
    )
