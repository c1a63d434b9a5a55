"""How often something happens, lately."""

from __future__ import annotations

from collections import deque

RATE_OVER_S = 5
_SECOND_NS = 1_000_000_000


class Rate:
    """How many a second, over the last whole seconds."""

    def __init__(self, over_s: int = RATE_OVER_S) -> None:
        self._over_s = over_s
        self._buckets: deque[tuple[int, int]] = deque(maxlen=over_s + 1)  # (second, count)
        self._first_ns: int | None = None

    def add(self, now_ns: int, count: int = 1) -> None:
        """Counts some more."""
        if self._first_ns is None:
            self._first_ns = now_ns
        second = now_ns // _SECOND_NS
        if self._buckets and self._buckets[-1][0] == second:
            count += self._buckets.pop()[1]
        self._buckets.append((second, count))

    def total(self, now_ns: int) -> int:
        """How many in the last `over_s` seconds."""
        oldest = now_ns // _SECOND_NS - self._over_s
        return sum(count for second, count in self._buckets if second > oldest)

    def per_s(self, now_ns: int) -> float:
        """How many a second, lately; right from the first second on."""
        if self._first_ns is None:
            return 0.0
        in_this_second_s = (now_ns % _SECOND_NS) / _SECOND_NS
        watched_s = min((now_ns - self._first_ns) / _SECOND_NS, self._over_s - 1 + in_this_second_s)
        return round(self.total(now_ns) / max(watched_s, 1.0), 2)
