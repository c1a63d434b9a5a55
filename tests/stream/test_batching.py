import threading
import time

from stream.batching import Batcher
from stream.samples import SampleQueue
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
    batches = [batcher.next(0.05) for _ in range(4)]
    ticks = [[(s.sample.camera, s.sample.tick) for s in batch] for batch in batches]
    assert ticks == [[("a", 0), ("b", 7)], [("a", 1)], [("a", 2)], []]


def test_a_lone_camera_is_never_made_to_wait():
    made, wakeup = queues("a")
    batcher = Batcher(made, wakeup=wakeup, gather_s=60)
    made["a"].put(stream_sample("a"))
    started_s = time.monotonic()
    assert cameras(batcher.next(60)) == ["a"]
    assert time.monotonic() - started_s < 5


def test_a_camera_that_has_ended_is_not_waited_for():
    made, wakeup = queues("a", "b")
    made["b"].close()
    batcher = Batcher(made, wakeup=wakeup, gather_s=60)
    made["a"].put(stream_sample("a"))
    started_s = time.monotonic()
    assert cameras(batcher.next(60)) == ["a"]
    assert time.monotonic() - started_s < 5


def test_samples_that_come_shortly_after_share_the_batch():
    made, wakeup = queues("a", "b")
    batcher = Batcher(made, wakeup=wakeup, gather_s=20)
    made["a"].put(stream_sample("a"))
    later = threading.Timer(0.05, made["b"].put, [stream_sample("b")])
    later.start()
    assert cameras(batcher.next(20)) == ["a", "b"]
    later.join()


def test_nobody_starves_when_there_are_more_cameras_than_places():
    names = [f"cam{i}" for i in range(5)]
    made, wakeup = queues(*names)
    for _ in range(6):
        for name in names:
            made[name].put(stream_sample(name))
    batcher = Batcher(made, wakeup=wakeup, largest=2)
    served = [name for _ in range(10) for name in cameras(batcher.next(1))]
    assert all(served.count(name) == 4 for name in names)


def test_an_empty_wait_ends_at_its_timeout_and_a_sample_ends_it_sooner():
    made, wakeup = queues("a")
    batcher = Batcher(made, wakeup=wakeup)
    assert batcher.next(0.01) == []
    later = threading.Timer(0.05, made["a"].put, [stream_sample("a")])
    later.start()
    assert cameras(batcher.next(20)) == ["a"]
    later.join()


def test_it_is_drained_once_all_are_closed_and_empty():
    made, wakeup = queues("a", "b")
    batcher = Batcher(made, wakeup=wakeup)
    made["a"].put(stream_sample("a"))
    for queue in made.values():
        queue.close()
    assert not batcher.drained
    assert cameras(batcher.next(1)) == ["a"]
    assert batcher.drained
    assert batcher.next(60) == []


def test_cameras_come_and_go_between_batches():
    made, wakeup = queues("a", "b")
    batcher = Batcher({"a": made["a"]}, wakeup=wakeup)
    batcher.add("b", made["b"])
    made["a"].put(stream_sample("a"))
    made["b"].put(stream_sample("b"))
    assert cameras(batcher.next(1)) == ["a", "b"]
    assert batcher.removed() == []
    made["a"].put(stream_sample("a", tick=1))
    batcher.remove("a")
    other = SampleQueue(10, live=True, wakeup=wakeup.set)
    batcher.add("a", other)
    other.put(stream_sample("a", tick=0, epoch=1))
    (sample,) = (each.sample for each in batcher.next(1))
    assert (sample.tick, sample.epoch) == (0, 1)  # of the new one alone
    assert batcher.removed() == ["a"]
    assert batcher.removed() == []
