from stream.errors import Reason
from stream.health import CameraMonitor, Overload, Rate
from stream.samples import SampleQueue
from tests.stream.stand_ins import Capture

S_NS = 1_000_000_000
STEP_NS = S_NS // 25


def test_a_steady_rate_is_told_from_the_first_seconds_on():
    rate = Rate()
    for i in range(25 * 8):
        rate.add(i * STEP_NS)
        if i > 25 * 2:
            assert 24 <= rate.per_s(i * STEP_NS) <= 26


def test_a_rate_falls_to_zero_when_nothing_comes():
    rate = Rate()
    assert rate.per_s(0) == 0
    for i in range(25):
        rate.add(i * STEP_NS)
    assert rate.per_s(60 * S_NS) == 0


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


def monitor():
    made = CameraMonitor(
        Capture("cam0", SampleQueue(4, live=True), lambda change: made.changed(change))
    )
    made._capture.tell("live", None, "h264, 640x480 px")
    return made


def test_an_overload_becomes_the_status_and_its_end_too():
    made = monitor()
    told = [made.recognised(1, i * STEP_NS) for i in range(100)]
    assert told.count(True) == 1
    fields = made.status_fields(4 * S_NS)
    assert (fields["state"], fields["reason"]) == ("live", Reason.OVERLOAD)
    assert "too slow" in fields["detail"]
    told = [made.recognised(0, 4 * S_NS + i * STEP_NS) for i in range(25 * 15)]
    assert told.count(True) == 1
    assert made.status_fields(20 * S_NS)["reason"] is None


def test_a_status_masks_the_password_and_tells_the_rates():
    made = monitor()
    for i in range(250):
        made.recognised(0, i * STEP_NS)
    fields = made.status_fields(10 * S_NS)
    assert fields["url"] == "rtsp://user:***@camera.example/cam0"
    assert fields["rates"].captured_fps == 25.0
    assert 20 <= fields["rates"].predictions_hz <= 26
    assert fields["reconnects"] == 1


def test_the_heartbeat_tells_what_was_dropped_and_what_waits():
    health = monitor().health(0)
    assert health.dropped == {"thinned": 2, "shed": 0}
    assert (health.camera, health.state, health.queue_depth) == ("cam0", "live", 0)
