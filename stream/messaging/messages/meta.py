"""What a subscriber needs to read the rest."""

from __future__ import annotations

from stream.messaging.messages.message import Count, Message, Part
from stream.messaging.messages.prediction import Model


class BundleFacts(Part, frozen=True, kw_only=True):
    """The bundle in use.

    name: as it is asked for.
    version: its own.
    sha256: of all of it.
    backbone: the network that looks at each frame.
    licence: of its weights.
    """

    name: str
    version: str
    sha256: str
    backbone: str
    licence: str


class GridFacts(Part, frozen=True, kw_only=True):
    """How the bundle samples time.

    grid_fps: frames of the grid.
    sample_every: frames of the grid from one sample to the next.
    window_samples: samples that a full window holds.
    window_s: how much time it spans.
    prediction_hz: predictions of each camera where nothing is lost.
    """

    grid_fps: float
    sample_every: Count
    window_samples: Count
    window_s: float
    prediction_hz: float


class CameraFacts(Part, frozen=True, kw_only=True):
    """A camera that this daemon watches.

    camera: its name.
    url: with its password masked.
    """

    camera: str
    url: str


class Meta(Message, frozen=True, kw_only=True, tag="meta"):
    """What a subscriber needs to read the rest, at the start and with each new configuration.

    classes: in the order of every prediction's `probabilities`.
    rules: the names of the event rules in use.
    cameras: each of them.
    heartbeat_interval_s: between heartbeats.
    versions: of what the daemon stands on, by name.
    """

    classes: tuple[str, ...]
    bundle: BundleFacts
    grid: GridFacts
    rules: tuple[str, ...]
    cameras: tuple[CameraFacts, ...]
    model: Model
    heartbeat_interval_s: float
    versions: dict[str, str]
