"""The clock of one camera's stream, over its cuts."""

from __future__ import annotations


class StreamClock:
    """The time of one camera's stream, in seconds: it goes on over a cut, and never back."""

    def __init__(self) -> None:
        self._epoch: int | None = None
        self._position_s = self._now_s = 0.0
        self._capture_ns = 0

    def begins_anew(self, epoch: int) -> bool:
        """Whether a prediction of this epoch is the first after a cut."""
        return self._epoch not in (None, epoch)

    def advance(self, epoch: int, position_s: float, capture_ns: int) -> float:
        """The time at a prediction: by the grid inside an epoch, else by the capture times."""
        if self._epoch == epoch:
            self._now_s += max(0.0, position_s - self._position_s)
        elif self._epoch is not None:
            self._now_s += max(0.0, (capture_ns - self._capture_ns) / 1e9)
        self._epoch, self._position_s, self._capture_ns = epoch, position_s, capture_ns
        return self._now_s
