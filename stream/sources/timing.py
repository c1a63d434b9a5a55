"""The times of a source's frames: when they were taken, how far reading lags, when to play them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from engine.grid import SECOND_NS
from stream.frame import Clock

MS_NS = 1_000_000

# A read that blocked for so long found nothing waiting: reading is abreast of the sender.
_ABREAST_NS = 20 * MS_NS
# Presentation times that leap by so much against our clock are another timeline.
_LEAP_NS = 10 * SECOND_NS
# Two buckets of this length: the offset's minimum follows a drifting clock within a minute.
_BUCKET_NS = 30 * SECOND_NS
# How long the sender's clock is compared with arrival before the delay found is kept.
_LEARN_NS = 60 * SECOND_NS
_PLAUSIBLE_DELAY_NS = (-SECOND_NS // 2, 10 * SECOND_NS)

ARRIVAL_UNCERTAINTY_MS = 250.0  # a camera's encoder and a home network, seldom more
RTCP_UNCERTAINTY_MS = 50.0  # if the camera keeps its clock by NTP


@dataclass(frozen=True, slots=True)
class Stamp:
    """What `CaptureClock` says of a frame; the fields are those of `SourceFrame`."""

    captured_at_ns: int
    clock: Clock
    uncertainty_ms: float
    lag_ms: float


class CaptureClock:
    """When a live sender's frames were taken, and how far reading has fallen behind it.

    Arrival: the smallest (arrival - presentation time) of the last minute is the path at its best,
    so presentation time plus that is free of jitter, and true for a burst or a backlog as well.
    Sender report: it gives the path's delay. The delay is learnt in the first minute and then
    kept, since the report that FFmpeg passes on is the first one only, and crystals drift.

    Lag: grows while frames come later and later without the reader ever having had to wait.
    Wherever it has waited, everything that the sender had is read.
    """

    def __init__(
        self,
        *,
        utc_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._utc_ns, self._monotonic_ns = utc_ns, monotonic_ns
        self._last: tuple[int, int] | None = None  # pts, arrival
        self._learning_since_ns: int | None = None
        self._delay_ns: int | None = None
        self._newer_ns = self._older_ns = self._abreast_ns = 0  # offsets: arrival - presentation
        self._bucket_since_ns = 0

    def stamp(self, pts_ns: int, waited_ns: int, sender_start_ns: int | None = None) -> Stamp:
        """Stamps the frame that has just arrived.

        waited_ns: how long the read blocked for it.
        sender_start_ns: UTC at presentation time 0 by the sender's report, if there is one.
        """
        now_ns = self._monotonic_ns()
        offset_ns = now_ns - pts_ns
        if self._last is not None:
            gone_ns, played_ns = now_ns - self._last[1], pts_ns - self._last[0]
            if played_ns < 0 or played_ns - gone_ns > _LEAP_NS:
                self._begin(offset_ns, now_ns)
                self._learning_since_ns = now_ns - _LEARN_NS  # the report's timeline is gone
        else:
            self._begin(offset_ns, now_ns)
            self._learning_since_ns = now_ns
        self._last = (pts_ns, now_ns)

        if now_ns - self._bucket_since_ns > _BUCKET_NS:
            self._older_ns, self._newer_ns = self._newer_ns, offset_ns
            self._bucket_since_ns = now_ns
        self._newer_ns = min(self._newer_ns, offset_ns)
        best_ns = min(self._older_ns, self._newer_ns)
        if waited_ns >= _ABREAST_NS or offset_ns < self._abreast_ns:
            self._abreast_ns = offset_ns

        arrival_ns = pts_ns + best_ns + self._utc_ns() - now_ns
        delay_ns = self._learnt_delay_ns(arrival_ns, pts_ns, sender_start_ns, now_ns)
        return Stamp(
            captured_at_ns=arrival_ns - (delay_ns or 0),
            clock="arrival" if delay_ns is None else "rtcp",
            uncertainty_ms=ARRIVAL_UNCERTAINTY_MS if delay_ns is None else RTCP_UNCERTAINTY_MS,
            lag_ms=(offset_ns - self._abreast_ns) / MS_NS,
        )

    def _begin(self, offset_ns: int, now_ns: int) -> None:
        self._newer_ns = self._older_ns = self._abreast_ns = offset_ns
        self._bucket_since_ns = now_ns

    def _learnt_delay_ns(
        self, arrival_ns: int, pts_ns: int, sender_start_ns: int | None, now_ns: int
    ) -> int | None:
        """The path's delay by the sender's clock; None without a report that can be true."""
        assert self._learning_since_ns is not None
        if sender_start_ns is not None and now_ns - self._learning_since_ns < _LEARN_NS:
            delay_ns = arrival_ns - (sender_start_ns + pts_ns)
            shortest_ns, longest_ns = _PLAUSIBLE_DELAY_NS
            self._delay_ns = delay_ns if shortest_ns <= delay_ns <= longest_ns else None
        return self._delay_ns


class Pacer:
    """Holds frames back until their time, for sources that would give them all at once.

    wait: sleeps for so many seconds; returns true when reading is to stop.
    catch_up: a reader that is late makes it up (the lag says by how much); otherwise the
        timeline is shifted, as a player does that had to buffer.
    """

    def __init__(
        self,
        wait: Callable[[float], object],
        *,
        catch_up: bool,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wait, self._catch_up, self._monotonic_ns = wait, catch_up, monotonic_ns
        self._offset_ns: int | None = None

    def restart(self) -> None:
        """The next frame begins a new timeline."""
        self._offset_ns = None

    def hold(self, pts_ns: int) -> float:
        """Waits until the frame is due; returns by how many milliseconds it is late."""
        now_ns = self._monotonic_ns()
        if self._offset_ns is None or abs(pts_ns + self._offset_ns - now_ns) > _LEAP_NS:
            self._offset_ns = now_ns - pts_ns
        early_ns = pts_ns + self._offset_ns - now_ns
        if early_ns > 0:
            self._wait(early_ns / SECOND_NS)
            return 0.0
        if not self._catch_up:
            self._offset_ns -= early_ns
            return 0.0
        return -early_ns / MS_NS
