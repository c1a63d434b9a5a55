import threading
import time

from engine.errors import DeviceMissing
from stream.batching import Batcher
from stream.inference import InferenceThread
from stream.samples import SampleQueue
from tests.stream.stand_ins import Recogniser, stream_sample

SOON_S = 10


class Bench:
    """An inference thread with one camera's queue before it and a list behind it."""

    def __init__(self, recogniser=None, deliver=None, open_recogniser=None):
        self.recogniser = recogniser or Recogniser()
        wakeup = threading.Event()
        self.queue = SampleQueue(4, live=False, wakeup=wakeup.set)
        self.results = []
        self.thread = InferenceThread(
            open_recogniser=open_recogniser or (lambda: self.recogniser),
            batcher=Batcher({"cam0": self.queue}, wakeup=wakeup),
            deliver=deliver or self.take,
        )

    def take(self, result):
        self.results.append(result)
        return True

    def ended(self):
        self.thread.join(SOON_S)
        return not self.thread.is_alive()


def test_it_is_called_inference_and_steps_until_all_is_drained():
    bench = Bench()
    bench.thread.start()
    assert bench.thread.name == "inference"
    for tick in range(10):
        bench.queue.put(stream_sample(tick=tick))
    bench.queue.close()
    assert bench.ended()
    assert bench.thread.failure is None
    assert [result.recognition.tick for result in bench.results] == list(range(10))
    assert all(result.taken_ns <= result.done_ns for result in bench.results)
    assert bench.thread.last_done_ns == bench.results[-1].done_ns


def test_it_stops_when_asked():
    bench = Bench()
    bench.thread.start()
    assert bench.thread.opened.wait(SOON_S)
    bench.thread.stop()
    assert bench.ended()


def test_what_it_dies_of_is_kept():
    bench = Bench()
    bench.recogniser.error = RuntimeError("the accelerator is gone")
    bench.thread.start()
    bench.queue.put(stream_sample())
    assert bench.ended()
    assert str(bench.thread.failure) == "the accelerator is gone"


def test_a_recogniser_that_can_not_be_opened_is_reported_at_once():
    def refuse():
        raise DeviceMissing("there is no such device; use --device cpu")

    bench = Bench(open_recogniser=refuse)
    bench.thread.start()
    assert bench.thread.opened.wait(SOON_S)
    assert bench.ended()
    assert isinstance(bench.thread.failure, DeviceMissing)


def test_a_stuck_step_shows_as_an_ageing_result():
    bench = Bench()
    bench.thread.start()
    bench.queue.put(stream_sample(tick=0))
    deadline_s = time.monotonic() + SOON_S
    while bench.thread.last_done_ns is None and time.monotonic() < deadline_s:
        time.sleep(0.01)
    done_ns = bench.thread.last_done_ns
    bench.recogniser.gate.clear()
    bench.queue.put(stream_sample(tick=1))
    time.sleep(0.1)
    assert bench.thread.last_done_ns == done_ns
    bench.recogniser.gate.set()
    bench.thread.stop()
    assert bench.ended()
