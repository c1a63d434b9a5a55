"""A node on a clock driven by hand: real queues, batcher, shedding; an engine of a stated cost."""

import heapq
import random
import threading

from stream.batching import Batcher
from stream.samples import SampleQueue
from stream.shedding import Shedding
from tests.stream.stand_ins import stream_sample

S_NS = 1_000_000_000


class Done:
    """A sample that was looked at: when it was put and when it was done, in seconds."""

    def __init__(self, sample, put_s, done_s, batch):
        self.camera, self.tick = sample.camera, sample.tick
        self.shed, self.has_flow = sample.shed_before, sample.flow is not None
        self.at_s, self.latency_s, self.batch = done_s, done_s - put_s, batch


class SimulatedNode:
    """Cameras of `hz` samples a second in any phase, before an engine.

    Args:
        cost_s: what a step takes, by how many rows go through RGB and how many through flow.
        largest: rows that it takes at most.
        stalls: cameras whose encoder holds back the last 0.45 s of each second.
    """

    def __init__(self, cameras, *, cost_s, largest, hz=5, stalls=(), rgb_alone=True, capacity=4):
        self.now_ns = 0
        self.done = []
        self.steps = []  # (when, step of shedding), where it changed
        self.shedding = Shedding(rgb_alone=rgb_alone)
        self._cost_s, self._largest, self._hz, self._stalls = cost_s, largest, hz, stalls
        self._wakeup = threading.Event()
        self._batcher = Batcher({}, wakeup=self._wakeup)
        self._capacity = capacity
        self._queues, self._put_s = {}, {}
        self._due = []  # (when, camera, tick)
        self._beat_ns = S_NS
        self._draw = random.Random(0)
        for camera in cameras:
            self.add(camera)

    def add(self, camera):
        self._queues[camera] = SampleQueue(
            self._capacity, live=True, wakeup=self._wakeup.set, clock_ns=lambda: self.now_ns
        )
        self._batcher.add(camera, self._queues[camera])
        self._plan(camera, 0, self.now_ns / S_NS + self._draw.random() / self._hz)

    def remove(self, camera):
        self._batcher.remove(camera)
        del self._queues[camera]

    def run(self, until_s):
        """Lets time pass; the engine is never idle while something waits."""
        while self.now_ns < until_s * S_NS:
            self._arrive()
            batch = self._batcher.next(0, self._largest)
            if batch:
                self._step([item.sample for item in batch])
            else:
                self.now_ns = min(self._due[0][0] if self._due else self._beat_ns, self._beat_ns)
            if self.now_ns >= self._beat_ns:
                self._beat_ns += S_NS
                before = self.shedding.step
                self.shedding.review(self.now_ns)
                if self.shedding.step != before:
                    self.steps.append((self.now_ns / S_NS, self.shedding.step))

    def latencies_s(self, *cameras, since_s=0.0):
        return sorted(
            each.latency_s
            for each in self.done
            if each.at_s >= since_s and (not cameras or each.camera in cameras)
        )

    def shed_share(self, since_s, until_s):
        seen = [each for each in self.done if since_s <= each.at_s < until_s]
        shed = sum(each.shed for each in seen)
        return shed / (shed + len(seen))

    def _plan(self, camera, tick, captured_s):
        arrives_s = captured_s
        if camera in self._stalls and captured_s % 1 > 0.55:
            arrives_s = captured_s - captured_s % 1 + 1
        heapq.heappush(self._due, (round(arrives_s * S_NS), camera, tick, captured_s))

    def _arrive(self):
        while self._due and self._due[0][0] <= self.now_ns:
            at_ns, camera, tick, captured_s = heapq.heappop(self._due)
            if camera not in self._queues:
                continue
            now_ns, self.now_ns = self.now_ns, at_ns  # it came while the engine was busy
            self._put_s[camera, tick] = at_ns / S_NS
            flow = self.shedding.wants_flow()
            self._queues[camera].put(stream_sample(camera, tick, flow=flow))
            self.now_ns = now_ns
            self._plan(camera, tick + 1, captured_s + 1 / self._hz)

    def _step(self, samples):
        flows = sum(sample.flow is not None for sample in samples)
        self.now_ns += round(self._cost_s(len(samples), flows) * S_NS)
        for sample in samples:
            put_s = self._put_s.pop((sample.camera, sample.tick))
            self.done.append(Done(sample, put_s, self.now_ns / S_NS, len(samples)))
            self.shedding.note(self.now_ns, sample.shed_before)
