"""Which times of a camera stay in memory: its last seconds, and those that events still need."""

from __future__ import annotations

import threading

SECOND_NS = 1_000_000_000


class Holds:
    """Any thread may use it.

    keep_s: from the newest back; may be changed. longest_s: of what is held, from its beginning on.
    """

    def __init__(self, *, keep_s: float, longest_s: float) -> None:
        self.keep_s = keep_s
        self._longest_ns = round(longest_s * SECOND_NS)
        self._lock = threading.Lock()
        self._from_ns: dict[str, int] = {}  # by event id

    def hold(self, name: str, from_ns: int) -> None:
        """Keeps what was captured from then on, UTC, until it is released."""
        with self._lock:
            self._from_ns[name] = from_ns

    def release(self, name: str) -> None:
        """Keeps it no longer for this name."""
        with self._lock:
            self._from_ns.pop(name, None)

    def keep(self, first_ns: int, last_ns: int, *, newest_ns: int) -> bool:
        """Whether what was captured between two times is needed. newest_ns: of all there is."""
        with self._lock:
            return last_ns >= newest_ns - round(self.keep_s * SECOND_NS) or any(
                from_ns <= last_ns and first_ns <= from_ns + self._longest_ns
                for from_ns in self._from_ns.values()
            )
