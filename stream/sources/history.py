"""What of an HLS camera has been played already.

A playlist offers its last segments to whoever comes, whether new ones still follow or not. Without
a memory that outlives the connection, a camera that died would be watched again after each attempt
to reach it, as if it were live.
"""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass

KEY_FRAMES = 256  # remembered: more than a playlist of some minutes holds


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """How a key frame's packet is known again: no two with the same time have the same bytes."""

    pts: int | None
    checksum: int

    @staticmethod
    def of(pts: int | None, data: bytes) -> KeyFrame:
        """The identity of a packet."""
        return KeyFrame(pts, zlib.crc32(data))


class History:
    """One camera's, in fixed memory. For one thread.

    Attributes:
        newest_ns: presentation time of the newest frame that was played; None before the first.
    """

    def __init__(self) -> None:
        self.newest_ns: int | None = None
        self._key_frames: deque[KeyFrame] = deque(maxlen=KEY_FRAMES)

    def note(self, key_frame: KeyFrame) -> bool:
        """Remembers a key frame; True where it was known."""
        if key_frame in self._key_frames:
            return True
        self._key_frames.append(key_frame)
        return False
