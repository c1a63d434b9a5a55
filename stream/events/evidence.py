"""What was kept of an event: a clip of the camera's own stream, and a picture."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec


class ClipFile(msgspec.Struct, frozen=True, kw_only=True):
    """An MP4 of the camera's own packets, not coded anew. Times in UTC, RFC 3339.

    uri: of the file, on the daemon's machine.
    sha256: of the file.
    size_bytes: of the file.
    start: the time of its first picture.
    end: the time of its last picture.
    covers_event: it begins before the event does, and ends after it.
    """

    uri: str
    sha256: str
    size_bytes: int
    start: str
    end: str
    covers_event: bool


class SnapshotFile(msgspec.Struct, frozen=True, kw_only=True):
    """A JPEG of the frame that the model looked at most when it was surest.

    uri: of the file, on the daemon's machine.
    sha256: of the file.
    at: when the camera saw it.
    """

    uri: str
    sha256: str
    at: str


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What was kept of an event.

    clip: an MP4 of the camera's own packets, not coded anew; null where there is none.
    snapshot: a JPEG of the frame that the model looked at most when it was surest; null where
        there is none.
    error: why something is missing, as a sentence; null where nothing is.
    """

    clip: ClipFile | None = None
    snapshot: SnapshotFile | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class EvidenceReady:
    """What was kept of an event that has ended."""

    event_id: str
    evidence: Evidence
