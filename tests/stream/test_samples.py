from __future__ import annotations

import itertools
import threading
import time

import numpy as np
import pytest

from engine.recogniser import Sample
from stream.samples import SampleQueue, StreamSample


def sample(tick: int, epoch: int = 0) -> StreamSample:
    return StreamSample(
        sample=Sample(
            camera="hall",
            epoch=epoch,
            tick=tick,
            rgb=np.zeros((2, 2, 3), np.uint8),
            flow=np.zeros((20, 2, 2), np.uint8),
        ),
        capture_ns=0,
        clock="arrival",
        uncertainty_ms=0.0,
        monotonic_ns={},
        truth=None,
        dropped={"thinned": 3},
    )


def drain(queue: SampleQueue) -> list[tuple[int, int]]:
    """(tick, shed_before) of all that waits."""
    return [
        (item.sample.tick, item.sample.shed_before)
        for _ in range(queue.depth)
        if (item := queue.get(0)) is not None
    ]


def test_live_newest_wins_and_the_ledger_keeps_every_tick() -> None:
    queue = SampleQueue(4, live=True)
    for tick in range(10):
        assert queue.put(sample(tick))
    assert queue.depth == 4
    assert queue.shed == 6
    assert drain(queue) == [(6, 6), (7, 0), (8, 0), (9, 0)]


def test_the_ledger_of_a_queue_that_drains_now_and_then() -> None:
    queue = SampleQueue(2, live=True)
    seen = []
    for tick in range(12):
        queue.put(sample(tick))
        if tick % 3 == 2:
            item = queue.get(0)
            assert item is not None
            seen.append((item.sample.tick, item.sample.shed_before))
    seen += drain(queue)
    # every tick is either seen or in the ledger of the one after it: the window never stretches
    assert sum(1 + shed for _, shed in seen) == 12
    assert [tick for tick, _ in seen] == sorted(tick for tick, _ in seen)
    assert all(
        after == before + 1 + shed for (before, _), (after, shed) in itertools.pairwise(seen)
    )


def test_what_has_waited_for_too_long_is_shed_if_something_newer_waits() -> None:
    now_ns = 0
    queue = SampleQueue(10, live=True, waits_s=0.5, clock_ns=lambda: now_ns)
    for tick in range(5):
        now_ns = tick * 200_000_000
        queue.put(sample(tick))
    now_ns = 1_000_000_000  # 0, 1 and 2 are older than half a second; 3 is 0.4 s old
    assert drain(queue) == [(3, 3), (4, 0)]
    assert queue.shed == 3
    queue.put(sample(5))
    now_ns += 60_000_000_000
    assert drain(queue) == [(5, 0)]  # there is nothing newer, so it is still the best


def test_a_file_waits_for_as_long_as_it_takes() -> None:
    now_ns = 0
    queue = SampleQueue(4, live=False, clock_ns=lambda: now_ns)
    for tick in range(3):
        queue.put(sample(tick))
    now_ns = 60_000_000_000
    assert drain(queue) == [(0, 0), (1, 0), (2, 0)]


def test_a_new_epoch_owes_nothing_to_the_old_one() -> None:
    queue = SampleQueue(2, live=True)
    queue.put(sample(7))
    queue.put(sample(8))
    queue.put(sample(0, epoch=1))
    queue.put(sample(1, epoch=1))
    assert drain(queue) == [(0, 0), (1, 0)]
    assert queue.shed == 2


def test_get_adds_what_was_shed_to_the_account() -> None:
    queue = SampleQueue(1, live=True)
    queue.put(sample(0))
    queue.put(sample(1))
    item = queue.get(0)
    assert item is not None
    assert item.dropped == {"thinned": 3, "shed": 1}


def test_a_file_waits_and_loses_nothing() -> None:
    queue = SampleQueue(2, live=False)
    putting = threading.Thread(target=lambda: [queue.put(sample(tick)) for tick in range(50)])
    putting.start()
    ticks = []
    for _ in range(50):
        item = queue.get(5)
        assert item is not None
        ticks.append((item.sample.tick, item.sample.shed_before))
        assert queue.depth <= 2
    putting.join(5)
    assert ticks == [(tick, 0) for tick in range(50)]


def test_get_waits_as_long_as_told() -> None:
    queue = SampleQueue(live=True)
    began_s = time.monotonic()
    assert queue.get(0.05) is None
    assert time.monotonic() - began_s >= 0.05
    assert queue.get(0) is None


def test_close_wakes_whoever_waits() -> None:
    full, empty = SampleQueue(1, live=False), SampleQueue(1, live=True)
    full.put(sample(0))
    results: list[object] = []
    threads = [
        threading.Thread(target=lambda: results.append(full.put(sample(1)))),
        threading.Thread(target=lambda: results.append(empty.get())),
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    full.close()
    empty.close()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert {False, None} == set(results)
    assert full.closed
    assert full.get(0) is not None  # what was there can still be had
    assert not full.put(sample(2))
    assert full.get(1) is None


def test_wakeup_tells_one_thread_of_many_queues() -> None:
    wakeup = threading.Event()
    queues = [SampleQueue(live=True, wakeup=wakeup.set) for _ in range(3)]
    queues[2].put(sample(0))
    assert wakeup.is_set()
    wakeup.clear()
    queues[0].close()
    assert wakeup.is_set()


def test_an_impossible_capacity_is_refused() -> None:
    with pytest.raises(ValueError, match="not 0"):
        SampleQueue(0, live=True)
