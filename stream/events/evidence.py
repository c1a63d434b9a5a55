"""What is kept of events: a clip of the camera's own stream, and a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec

from stream.errors import ConfigError


class EvidenceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to be kept; nothing is where the table is left out.

    clip: the camera's own packets as an MP4, with a pre- and a post-roll; cut after longest_s.
    snapshot: the frame that the model looked at most, as a JPEG.
    attention: where in that frame the model looked is drawn over it.
    blur: both are blurred outside of the camera's region, and the clip is coded anew for it.
    keep_days, keep_bytes: older files are deleted, then the oldest until the rest fits; 0 days
        keeps them as long as they fit.
    """

    folder: str
    clip: bool = True
    snapshot: bool = True
    attention: bool = False
    blur: bool = False
    pre_roll_s: float = 5.0
    post_roll_s: float = 5.0
    longest_s: float = 120.0
    keep_days: float = 14.0
    keep_bytes: int = 10_000_000_000

    def check(self, path: str) -> None:
        """Raises ConfigError for what types alone can't say."""
        if not self.folder:
            raise ConfigError(f"{path}.folder: is empty; name a folder")
        if not (self.clip or self.snapshot):
            raise ConfigError(
                f"{path}.clip: neither clip nor snapshot is wanted; leave the table out"
            )
        if self.attention and not self.snapshot:
            raise ConfigError(
                f"{path}.attention: is drawn over the picture, and snapshot is false; leave one of "
                "the two out"
            )
        for key in ("pre_roll_s", "post_roll_s", "longest_s", "keep_days"):
            value = getattr(self, key)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"{path}.{key}: must be a number from 0, not {value}")
        if not self.pre_roll_s + self.post_roll_s < self.longest_s <= 3600:
            raise ConfigError(
                f"{path}.longest_s: must be longer than both rolls together and at most 3600, not "
                f"{self.longest_s:g}"
            )
        if self.keep_bytes <= 0:
            raise ConfigError(f"{path}.keep_bytes: must be above 0, not {self.keep_bytes}")


class ClipFile(msgspec.Struct, frozen=True, kw_only=True):
    """An MP4 of the camera's own packets, coded anew where it is blurred. Times in UTC, RFC 3339.

    uri: of the file, on the daemon's machine.
    sha256: of the file.
    size_bytes: of the file.
    start: the time of its first picture.
    end: the time of its last picture.
    covers_event: it begins before the event does, and ends after it.
    blurred: outside of the camera's region, and so coded anew.
    """

    uri: str
    sha256: str
    size_bytes: int
    start: str
    end: str
    covers_event: bool
    blurred: bool = False


class SnapshotFile(msgspec.Struct, frozen=True, kw_only=True):
    """A JPEG of the frame that the model looked at most when it was surest.

    uri: of the file, on the daemon's machine.
    sha256: of the file.
    at: when the camera saw it.
    attention: where in it the model looked is drawn over it.
    """

    uri: str
    sha256: str
    at: str
    attention: bool = False


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
