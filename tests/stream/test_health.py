from stream.errors import Reason
from stream.health import CameraMonitor
from stream.samples import SampleQueue
from stream.shedding import Shedding
from tests.stream.stand_ins import Capture

S_NS = 1_000_000_000
STEP_NS = S_NS // 25


class Step(Shedding):
    """Stands still at one step."""

    def __init__(self, step):
        super().__init__()
        self.step = step


def monitor(step="nothing"):
    made = CameraMonitor(
        Capture("cam0", SampleQueue(4, live=True), lambda change: made.changed(change, 0)),
        0,
        Step(step),
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


def test_a_camera_that_comes_while_flow_is_given_up_says_so():
    fields = monitor("flow").status_fields(0)
    assert (fields["state"], fields["reason"]) == ("live", Reason.OVERLOAD)
    assert "RGB looks alone" in fields["detail"]
    made = monitor("flow")
    made._capture.tell("live", Reason.SIZE_CHANGE, "the picture's size has changed")
    assert made.status_fields(0)["reason"] is Reason.SIZE_CHANGE
    made._capture.tell("offline", Reason.AUTH, "it wants a password")
    assert made.status_fields(0)["reason"] is Reason.AUTH
    assert not made.keeps_up(0)


def test_where_even_rgb_is_too_much_the_share_is_told_and_rgb_alone_when_no_more():
    made = monitor("flow")
    assert [made.recognised(1, i * STEP_NS) for i in range(100)].count(True) == 1
    assert "even for RGB alone: 50% of" in made.detail
    assert [made.recognised(0, 4 * S_NS + i * STEP_NS) for i in range(25 * 15)].count(True) == 1
    assert made.reason is Reason.OVERLOAD
    assert "RGB looks alone" in made.detail


def test_once_both_streams_look_again_it_keeps_up():
    made = monitor("flow")
    made._shedding.step = "nothing"
    assert made.keeps_up(0)
    assert (made.reason, made.detail) == (None, "this machine keeps up again")


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
