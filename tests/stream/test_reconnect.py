from __future__ import annotations

import random

from stream.reconnect import Backoff, RestartBudget


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Highest(random.Random):
    """Always draws the upper end."""

    def uniform(self, a: float, b: float) -> float:
        return b


def test_waits_double_up_to_the_cap_for_ever() -> None:
    backoff = Backoff(rng=Highest())
    waits = [backoff.next_wait_s() for _ in range(10)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0]
    assert all(backoff.next_wait_s() == 30.0 for _ in range(5000))


def test_full_jitter_spreads_between_zero_and_the_ceiling() -> None:
    waits = [Backoff(rng=random.Random(seed)).next_wait_s() for seed in range(500)]
    assert 0.0 <= min(waits) < 0.05
    assert 0.45 < max(waits) <= 0.5


def test_a_healthy_connection_starts_the_count_afresh() -> None:
    clock = Clock()
    backoff = Backoff(rng=Highest(), clock_s=clock)
    for _ in range(5):
        backoff.next_wait_s()
    backoff.connected()
    clock.now_s += 29.0
    assert backoff.next_wait_s() == 16.0  # too short to count as health
    backoff.connected()
    clock.now_s += 30.0
    assert backoff.next_wait_s() == 0.5


def test_a_failed_attempt_after_a_long_life_is_not_health() -> None:
    clock = Clock()
    backoff = Backoff(rng=Highest(), clock_s=clock)
    backoff.connected()
    clock.now_s += 60.0
    assert [backoff.next_wait_s() for _ in range(3)] == [0.5, 1.0, 2.0]
    clock.now_s += 60.0
    assert backoff.next_wait_s() == 4.0


def test_five_restarts_within_a_minute_and_not_one_more() -> None:
    clock = Clock()
    budget = RestartBudget(clock_s=clock)
    assert [budget.spend() for _ in range(6)] == [True] * 5 + [False]
    clock.now_s = 59.0
    assert not budget.spend()
    clock.now_s = 60.0
    assert budget.spend()
