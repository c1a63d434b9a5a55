"""When to try again: back-off with full jitter, and a budget for restarts after bugs."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable

BASE_S = 0.5
CAP_S = 30.0
HEALTHY_S = 30.0


class Backoff:
    """The waits between attempts to reach a camera, for ever.

    The n-th wait in a row is drawn evenly from 0 to base_s * 2^n (at most cap_s): full jitter, so
    that fifty cameras behind one switch don't come back in one blow. A connection that has held
    for `healthy_s` starts the count afresh.
    """

    def __init__(
        self,
        *,
        base_s: float = BASE_S,
        cap_s: float = CAP_S,
        healthy_s: float = HEALTHY_S,
        rng: random.Random | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base_s, self._cap_s, self._healthy_s = base_s, cap_s, healthy_s
        self._rng = random.Random() if rng is None else rng  # noqa: S311  not for secrets
        self._clock_s = clock_s
        self._attempts = 0
        self._live_since_s: float | None = None

    def connected(self) -> None:
        """The first frame of a connection has come."""
        self._live_since_s = self._clock_s()

    def next_wait_s(self) -> float:
        """The connection is lost, or wasn't made: how long to wait before the next attempt."""
        if self._live_since_s is not None:
            if self._clock_s() - self._live_since_s >= self._healthy_s:
                self._attempts = 0
            self._live_since_s = None
        # 2^n of a camera that is gone for a year is not a number to compute.
        ceiling_s = min(self._cap_s, self._base_s * 2.0 ** min(self._attempts, 32))
        self._attempts += 1
        return self._rng.uniform(0.0, ceiling_s)


class RestartBudget:
    """At most `restarts` restarts within `within_s`: a bug that strikes at once is not fought."""

    def __init__(
        self,
        restarts: int = 5,
        within_s: float = 60.0,
        *,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.restarts, self.within_s = restarts, within_s
        self._clock_s = clock_s
        self._spent_s: deque[float] = deque(maxlen=restarts)

    def spend(self) -> bool:
        """Takes one restart; False when there is none left."""
        now_s = self._clock_s()
        if len(self._spent_s) == self.restarts and now_s - self._spent_s[0] < self.within_s:
            return False
        self._spent_s.append(now_s)
        return True
