"""The policy by itself, and with an engine behind it that RGB alone costs half."""

import itertools
import statistics

from stream.samples import WAITS_S
from stream.shedding import (
    FIRST_TRIAL_S,
    LAST_TRIAL_S,
    PATIENCE_S,
    RECOVERED_AFTER_S,
    Overload,
    Shedding,
)
from tests.stream.simulated_node import SimulatedNode

S_NS = 1_000_000_000
STEP_NS = S_NS // 25


def run(overload, seconds, shed_every, start_s=0):
    """Feeds 25 samples a second; returns the seconds at which `active` changed."""
    changes = []
    for i in range(25 * seconds):
        now_ns = start_s * S_NS + i * STEP_NS
        shed = 1 if shed_every and i % shed_every == shed_every - 1 else 0
        if overload.note(now_ns, shed):
            changes.append(now_ns // S_NS)
    return changes


def test_a_lost_sample_now_and_then_is_no_overload():
    assert run(Overload(), 60, shed_every=100) == []


def test_an_overload_is_told_soon_and_once():
    overload = Overload()
    assert run(overload, 30, shed_every=4) == [0]
    assert overload.active


def test_it_ends_ten_seconds_after_the_last_loss():
    overload = Overload()
    run(overload, 10, shed_every=4)
    assert run(overload, 30, shed_every=0, start_s=10) == [19]
    assert not overload.active


def test_a_machine_at_its_limit_does_not_send_a_status_each_second():
    overload = Overload()
    changes = []
    for round_s in range(0, 80, 8):
        changes += run(overload, 3, shed_every=5, start_s=round_s)
        changes += run(overload, 5, shed_every=0, start_s=round_s + 3)
    assert len(changes) == 1


class Policy:
    """The policy on a clock of its own, fed 25 samples a second; `shed_every` as in `run`."""

    def __init__(self, **options):
        self.shedding = Shedding(**options)
        self.now_s = 0
        self.steps = []  # (second, step) at each change

    def feed(self, seconds, shed_every=0, hz=25):
        for _ in range(seconds):
            for i in range(hz):
                shed = 1 if shed_every and i % shed_every == shed_every - 1 else 0
                self.shedding.note(self.now_s * S_NS + i * S_NS // hz, shed)
            self.now_s += 1
            before, wanted = self.shedding.step, self.shedding.wants_flow()
            changed = self.shedding.review(self.now_s * S_NS)
            assert changed == (self.shedding.wants_flow() != wanted)
            if self.shedding.step != before:
                self.steps.append((self.now_s, self.shedding.step))


def test_a_burst_of_losses_sheds_samples_and_no_more():
    policy = Policy()
    policy.feed(5)
    policy.feed(5, shed_every=4)
    policy.feed(30)
    assert [step for _, step in policy.steps] == ["samples", "nothing"]


def test_losses_that_go_on_cost_the_flow_stream():
    policy = Policy()
    policy.feed(30, shed_every=4)
    (samples_s, first), (flow_s, second) = policy.steps
    assert (first, second) == ("samples", "flow")
    assert flow_s - samples_s == PATIENCE_S
    assert not policy.shedding.wants_flow()


def test_it_never_does_where_it_was_told_not_to():
    policy = Policy(rgb_alone=False)
    policy.feed(600, shed_every=2)
    assert policy.steps == [(1, "samples")]
    assert policy.shedding.wants_flow()


def test_it_comes_back_soon_where_less_is_asked_for_than_both_streams_could_do():
    policy = Policy()
    policy.feed(20, shed_every=4)  # 25 of 31 a second were done
    policy.feed(40, hz=24)  # nearly as many: no room
    assert policy.shedding.step == "flow"
    policy = Policy()
    policy.feed(20, shed_every=4)
    policy.feed(40, hz=18)
    back_s, step = policy.steps[-1]
    assert step == "nothing"
    assert 20 + RECOVERED_AFTER_S <= back_s <= 20 + RECOVERED_AFTER_S + 5


def test_where_no_camera_is_left_nothing_is_shed():
    policy = Policy()
    policy.feed(20, shed_every=4)
    policy.feed(20, hz=0)
    assert policy.shedding.step == "nothing"
    policy = Policy()
    policy.feed(5, shed_every=4)
    policy.feed(20, hz=0)
    assert policy.shedding.step == "nothing"


def test_as_long_as_rgb_alone_is_too_much_flow_stays_away():
    policy = Policy()
    policy.feed(1000, shed_every=10)
    assert [step for _, step in policy.steps] == ["samples", "flow"]


def test_a_machine_that_stays_too_slow_is_tried_ever_less_often():
    policy = Policy()
    for _ in range(6000):
        policy.feed(1, shed_every=4 if policy.shedding.wants_flow() else 0)
    given_up_s = [at_s for at_s, step in policy.steps if step == "flow"]
    tried_s = [at_s for at_s, step in policy.steps if step == "nothing"]
    waits_s = [tried - given for given, tried in zip(given_up_s, tried_s, strict=False)]
    expected_s = [min(FIRST_TRIAL_S * 2**n, LAST_TRIAL_S) for n in range(len(waits_s))]
    assert len(waits_s) > 7
    assert all(abs(a - b) <= 2 for a, b in zip(waits_s, expected_s, strict=True))


def test_a_trial_that_held_for_long_makes_the_next_wait_short_again():
    policy = Policy()
    for _ in range(400):
        policy.feed(1, shed_every=4 if policy.shedding.wants_flow() else 0)
    policy.feed(1000)
    assert policy.shedding.step == "nothing"
    policy.feed(20, shed_every=4)
    assert policy.shedding.step == "flow"
    given_up_s = policy.steps[-1][0]
    policy.feed(100)
    assert policy.steps[-1][1] == "nothing"
    assert policy.steps[-1][0] - given_up_s <= FIRST_TRIAL_S + 10


# One row at a time, as on a CPU: 20 ms for a stream's graph. Both streams hold 5 cameras of 5 Hz.
def cpu_s(rows, flows):
    return 0.02 * (rows + flows)


def test_too_many_cameras_end_in_rgb_alone_which_loses_nothing_and_is_not_late():
    node = SimulatedNode([f"cam{i}" for i in range(8)], cost_s=cpu_s, largest=4)
    node.run(60)
    assert [step for _, step in node.steps] == ["samples", "flow"]
    given_up_s = node.steps[-1][0]
    assert given_up_s < 2 * PATIENCE_S
    assert node.shed_share(5, given_up_s) > 0.3
    assert node.shed_share(given_up_s + 2, 60) == 0
    assert not any(each.has_flow for each in node.done if each.at_s > given_up_s + 2)
    assert node.latencies_s()[-1] <= WAITS_S + cpu_s(4, 4) + 1e-6
    assert statistics.median(node.latencies_s(since_s=given_up_s + 2)) < 4 * cpu_s(1, 0)


def test_far_too_many_are_shed_even_then_all_alike_and_latency_does_not_grow():
    node = SimulatedNode([f"cam{i}" for i in range(20)], cost_s=cpu_s, largest=4)
    node.run(120)
    assert node.shedding.step == "flow"
    assert node.shed_share(30, 120) > 0.4  # 50 of 100 a second
    latencies_s = [
        [e.latency_s for e in node.done if start <= e.at_s < start + 30] for start in (30, 90)
    ]
    early_s, late_s = map(statistics.median, latencies_s)
    assert late_s <= 1.05 * early_s
    assert max(itertools.chain(*latencies_s)) <= WAITS_S + cpu_s(4, 0) + 1e-6
    counts = [sum(each.camera == f"cam{i}" for each in node.done) for i in range(20)]
    assert max(counts) - min(counts) <= 2


def test_it_recovers_once_cameras_leave():
    node = SimulatedNode([f"cam{i}" for i in range(8)], cost_s=cpu_s, largest=4)
    node.run(30)
    assert node.shedding.step == "flow"
    for i in range(4, 8):
        node.remove(f"cam{i}")
    node.run(60)
    assert node.shedding.step == "nothing"
    assert all(each.has_flow for each in node.done if each.at_s > 55)
    assert node.shed_share(45, 60) == 0
