"""What stands in the daemon for a camera of another process."""

from dataclasses import replace

import pytest

from stream.configuration.config import CameraConfig
from stream.errors import Reason
from stream.evidence.packet import Stamped
from stream.processes.remote_capture import RemoteCapture
from stream.processes.reports import Gone
from stream.samples import SampleQueue
from stream.status import CaptureSnapshot, StatusChange
from tests.stream.stand_ins import stream_sample

NUMBERS = CaptureSnapshot(
    camera="hall",
    state="live",
    reason=None,
    epoch=5,
    received=100,
    received_fps=25.0,
    dropped={"thinned": 3, "late": 2, "shed": 0},
    repeated=1,
    last_frame_age_s=0.5,
    reconnects=2,
    queue_depth=0,
    info=None,
)
LIVE = StatusChange("hall", "live", Reason.SIZE_CHANGE, "", 5, None, 2)


def sample(tick, captured_ns, epoch=5):
    made = stream_sample("hall", tick, epoch)
    return replace(made, monotonic_ns={**made.monotonic_ns, "captured": captured_ns})


class Rig:
    def __init__(self):
        self.now_ns = 10**12
        self.orders, self.statuses, self.packets = [], [], []
        self.queue = SampleQueue(4, live=True)
        self.capture = RemoteCapture(
            CameraConfig(name="hall", url="scene:"),
            key=7,
            host=self,
            queue=self.queue,
            on_status=self.statuses.append,
            epoch=4,
            open_sight=lambda: None,
            packets=self,
            monotonic_ns=lambda: self.now_ns,
        )

    def watch(self, capture):
        self.orders.append(capture.order())

    def leave(self, capture):
        self.orders.append("leave")

    def supervise(self):
        self.orders.append("supervise")

    def take(self, relayed):  # as a ring of packets
        self.packets.append(relayed)


@pytest.fixture
def rig():
    rig = Rig()
    rig.capture.start()
    return rig


def test_before_the_first_numbers_nothing_has_come(rig):
    numbers = rig.capture.snapshot()
    assert (numbers.state, numbers.epoch, numbers.received) == ("connecting", 4, 0)
    assert numbers.last_frame_age_s is None


def test_numbers_are_those_of_the_process_with_what_the_daemon_adds(rig):
    rig.capture.take(NUMBERS)
    rig.now_ns += 2 * 10**9
    assert rig.capture.snapshot().last_frame_age_s == pytest.approx(2.5)
    for tick in range(6):
        rig.capture.take(sample(tick, captured_ns=rig.now_ns - 10**8))
    numbers = rig.capture.snapshot()
    assert numbers.last_frame_age_s == pytest.approx(0.1)
    assert numbers.dropped == {"thinned": 3, "late": 2, "shed": 2}
    assert (numbers.queue_depth, numbers.received, numbers.reconnects) == (4, 100, 2)


def test_numbers_never_go_backwards(rig):
    """Those of a change of state may be overtaken by newer ones."""
    rig.capture.take(NUMBERS)
    rig.capture.take(replace(NUMBERS, received=90, reconnects=1))
    assert (rig.capture.snapshot().received, rig.capture.snapshot().reconnects) == (100, 2)


def test_where_its_process_dies_the_next_one_goes_on_from_there(rig):
    rig.capture.take(NUMBERS)
    rig.capture.take(sample(0, captured_ns=rig.now_ns - 10**9 // 2, epoch=6))
    rig.capture.lost("it died", 1.5)
    (status,) = rig.statuses
    assert (status.state, status.epoch, status.next_retry_s) == ("offline", 7, 1.5)
    order = rig.capture.order()
    assert (order.epoch, order.before.received, order.before.reconnects) == (7, 100, 2)
    # The next process has had no frame yet; the last one grows older all the same.
    rig.capture.take(replace(NUMBERS, last_frame_age_s=None))
    rig.now_ns += 10**9
    assert rig.capture.snapshot().last_frame_age_s == pytest.approx(1.5)


def test_what_comes_after_it_was_left_is_of_nobody(rig):
    """Another camera may have its name by then, its epochs, and its ring of packets."""
    rig.capture.take(NUMBERS)
    rig.capture.stop()
    assert rig.orders[-1] == "leave"
    epoch = rig.capture.snapshot().epoch
    rig.capture.take(LIVE)
    rig.capture.take(Stamped(0, 0))
    rig.capture.take(stream_sample("hall", epoch=9))
    assert not rig.statuses
    assert not rig.packets
    assert rig.capture.snapshot().epoch == epoch
    assert rig.capture.is_alive()
    rig.capture.take(Gone())
    assert not rig.capture.is_alive()


def test_one_that_never_began_has_nothing_to_end():
    rig = Rig()
    rig.capture.stop()
    rig.capture.join(0)
    assert not rig.capture.is_alive()
    assert not rig.orders
