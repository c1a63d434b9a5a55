import functools
import statistics
import threading
import time

import pytest

from stream.batching import Batcher
from stream.samples import WAITS_S, SampleQueue
from tests.stream.simulated_node import SimulatedNode
from tests.stream.stand_ins import stream_sample


def queues(*names, capacity=100):
    wakeup = threading.Event()
    made = {name: SampleQueue(capacity, live=True, wakeup=wakeup.set) for name in names}
    return made, wakeup


def cameras(batch):
    return [item.sample.camera for item in batch]


def test_a_batch_holds_at_most_one_sample_of_a_camera_the_oldest():
    made, wakeup = queues("a", "b")
    for tick in range(3):
        made["a"].put(stream_sample("a", tick))
    made["b"].put(stream_sample("b", 7))
    batcher = Batcher(made, wakeup=wakeup)
    batches = [batcher.next(0.05, 16) for _ in range(4)]
    ticks = [[(s.sample.camera, s.sample.tick) for s in batch] for batch in batches]
    assert ticks == [[("a", 0), ("b", 7)], [("a", 1)], [("a", 2)], []]


def test_what_else_has_come_is_seen_to_at_once_while_there_is_no_sample():
    made, wakeup = queues("a")
    batcher, seen = Batcher(made, wakeup=wakeup), []

    def meanwhile():
        seen.append(len(seen))
        if len(seen) == 1:
            wakeup.set()  # a frame without a sample
        elif len(seen) == 2:
            made["a"].put(stream_sample("a"))

    assert cameras(batcher.next(60, 16, meanwhile)) == ["a"]
    assert seen == [0, 1]


def test_what_is_there_is_never_made_to_wait_for_others():
    made, wakeup = queues("a", "b", "c")
    batcher = Batcher(made, wakeup=wakeup)
    made["a"].put(stream_sample("a"))
    started_s = time.monotonic()
    assert cameras(batcher.next(60, 16)) == ["a"]
    assert time.monotonic() - started_s < 5


def test_nobody_starves_when_there_are_more_cameras_than_places():
    names = [f"cam{i}" for i in range(5)]
    made, wakeup = queues(*names)
    for _ in range(6):
        for name in names:
            made[name].put(stream_sample(name))
    batcher = Batcher(made, wakeup=wakeup)
    served = [name for _ in range(10) for name in cameras(batcher.next(1, 2))]
    assert all(served.count(name) == 4 for name in names)


def test_an_empty_wait_ends_at_its_timeout_and_a_sample_ends_it_sooner():
    made, wakeup = queues("a")
    batcher = Batcher(made, wakeup=wakeup)
    assert batcher.next(0.01, 16) == []
    later = threading.Timer(0.05, made["a"].put, [stream_sample("a")])
    later.start()
    assert cameras(batcher.next(20, 16)) == ["a"]
    later.join()


def test_it_is_drained_once_all_are_closed_and_empty():
    made, wakeup = queues("a", "b")
    batcher = Batcher(made, wakeup=wakeup)
    made["a"].put(stream_sample("a"))
    for queue in made.values():
        queue.close()
    assert not batcher.drained
    assert cameras(batcher.next(1, 16)) == ["a"]
    assert batcher.drained
    assert batcher.next(60, 16) == []


def test_cameras_come_and_go_between_batches():
    made, wakeup = queues("a", "b")
    batcher = Batcher({"a": made["a"]}, wakeup=wakeup)
    batcher.add("b", made["b"])
    made["a"].put(stream_sample("a"))
    made["b"].put(stream_sample("b"))
    assert cameras(batcher.next(1, 16)) == ["a", "b"]
    assert batcher.removed() == []
    made["a"].put(stream_sample("a", tick=1))
    batcher.remove("a")
    other = SampleQueue(10, live=True, wakeup=wakeup.set)
    batcher.add("a", other)
    other.put(stream_sample("a", tick=0, epoch=1))
    (sample,) = (each.sample for each in batcher.next(1, 16))
    assert (sample.tick, sample.epoch) == (0, 1)  # of the new one alone
    assert batcher.removed() == ["a"]
    assert batcher.removed() == []


# An accelerator compiled for 1, 8 and 32 rows: what a batch of that many takes, in seconds.
COSTS_S = {1: 0.012, 8: 0.024, 32: 0.064}


@functools.cache
def accelerator_s(rows, flows):
    """The cheapest way to run so many rows, padded or in parts; both streams as one."""
    if rows <= 0:
        return 0.0
    return min(cost_s + accelerator_s(rows - size, 0) for size, cost_s in COSTS_S.items())


def names(count):
    return [f"cam{number:03}" for number in range(count)]


def test_where_there_is_room_a_sample_takes_what_its_step_takes():
    node = SimulatedNode(names(3), cost_s=accelerator_s, largest=32)
    node.run(20)
    latencies_s = node.latencies_s()
    assert statistics.median(latencies_s) == pytest.approx(COSTS_S[1])
    assert latencies_s[-1] < 3 * COSTS_S[1]  # two others came at the same moment


def test_batches_grow_with_the_load_and_nothing_is_shed_below_what_full_ones_can():
    mean_batch = {}
    for count in (4, 32, 80):  # singles could serve 16, batches of 32 could serve 100
        node = SimulatedNode(names(count), cost_s=accelerator_s, largest=32)
        node.run(10)
        assert node.shed_share(0, 10) == 0
        assert node.latencies_s()[-1] < 0.3
        mean_batch[count] = statistics.mean(each.batch for each in node.done)
    assert mean_batch[4] < 2 < mean_batch[32] < mean_batch[80]
    assert mean_batch[80] > 16


def test_beyond_what_it_can_every_batch_is_full_all_get_the_same_and_latency_stays():
    node = SimulatedNode(names(150), cost_s=accelerator_s, largest=32, rgb_alone=False)
    node.run(30)
    settled = [each for each in node.done if each.at_s > 2]
    assert {each.batch for each in settled} == {32}
    counts = [sum(each.camera == name for each in settled) for name in names(150)]
    assert max(counts) - min(counts) <= 2
    assert node.shed_share(10, 30) == pytest.approx(1 / 3, abs=0.02)  # 500 of 750 a second
    thirds = [
        statistics.median(e.latency_s for e in settled if start <= e.at_s < start + 8)
        for start in (4, 20)
    ]
    assert thirds[1] == pytest.approx(thirds[0], rel=0.05)
    assert node.latencies_s()[-1] <= WAITS_S + COSTS_S[32] + 1e-6


@pytest.mark.parametrize("hz", [5, 25])
def test_a_camera_whose_encoder_stalls_holds_nobody_and_loses_nothing(hz):
    """Of eight cameras one sends what half a second held all at once; at 25 Hz, 11 samples."""
    capacity = max(4, round(hz * WAITS_S))
    given = {"cost_s": accelerator_s, "largest": 32, "hz": hz, "capacity": capacity}
    calm = SimulatedNode(names(8), **given)
    stalling = SimulatedNode(names(8), **given, stalls=("cam003",))
    for node in (calm, stalling):
        node.run(20)
        assert node.shed_share(0, 20) == 0
    others = [name for name in names(8) if name != "cam003"]
    assert statistics.median(stalling.latencies_s(*others)) == pytest.approx(
        statistics.median(calm.latencies_s(*others)), abs=0.001
    )
    assert stalling.latencies_s(*others)[-1] < calm.latencies_s(*others)[-1] + COSTS_S[8]
