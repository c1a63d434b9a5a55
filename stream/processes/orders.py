"""What a daemon tells a capture process to do."""

from __future__ import annotations

from dataclasses import dataclass

from engine.manifest import FlowEntry, Manifest
from stream.configuration.config import CameraConfig
from stream.sources.source import Decoder
from stream.status import CaptureSnapshot


@dataclass(frozen=True, slots=True)
class Begin:
    """The first order.

    decoder: what decodes the cameras' packets.
    flow, flow_entry, flow_device: which flow is estimated where samples are made here.
    log_level: of the daemon's log.
    """

    manifest: Manifest
    decoder: Decoder
    flow: str
    flow_entry: FlowEntry
    flow_device: str
    log_level: int


@dataclass(frozen=True, slots=True)
class Watch:
    """Begin with a camera. key: what its reports bear; never used twice.

    before: its numbers in a process that has died, which go on. sends_frames: the daemon makes its
    pictures and flow. sends_packets: the daemon wants them.
    """

    key: int
    camera: CameraConfig
    epoch: int
    before: CaptureSnapshot | None
    sends_frames: bool
    sends_packets: bool


@dataclass(frozen=True, slots=True)
class Leave:
    """Watch it no longer."""

    key: int


@dataclass(frozen=True, slots=True)
class WantFlow:
    """From now on flow is wanted, or isn't."""

    wanted: bool


Order = Begin | Watch | Leave | WantFlow
