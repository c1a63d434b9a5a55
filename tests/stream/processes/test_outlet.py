"""In what order reports leave a capture process, and who waits."""

import threading
import time

import pytest

from stream.processes.outlet import WAITING_AT_MOST, Outlet

SOON_S = 20.0


class Way:
    """Stands in for the link; lets messages through while it is open."""

    def __init__(self):
        self.sent, self.open = [], threading.Event()
        self.error = None

    def send(self, items):
        assert self.open.wait(SOON_S)
        if self.error is not None:
            raise self.error
        self.sent.append(items)


@pytest.fixture
def way():
    return Way()


@pytest.fixture
def outlet(way):
    outlet = Outlet(way)
    outlet.open(1)
    outlet.open(2)
    yield outlet
    way.error = BrokenPipeError()
    way.open.set()
    outlet.put(1, "last")
    if outlet.ident is not None:
        outlet.join(SOON_S)
        assert not outlet.is_alive()


def until(condition):
    deadline_s = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_reports_leave_in_their_order_and_together_what_waits_together(outlet, way):
    for number in range(3):
        outlet.put(1, number)
        assert outlet.put_picture(2, number)
    way.open.set()
    outlet.start()
    until(lambda: way.sent)
    assert way.sent == [[(1, 0), (2, 0), (1, 1), (2, 1), (1, 2), (2, 2)]]


def test_a_camera_waits_while_its_pictures_are_not_taken_and_the_others_do_not(outlet, way):
    for number in range(WAITING_AT_MOST):
        assert outlet.put_picture(1, number)
    late = threading.Thread(target=outlet.put_picture, args=(1, "late"), daemon=True)
    late.start()
    late.join(0.2)
    assert late.is_alive()
    assert outlet.put_picture(2, "another's")
    outlet.put(1, "no picture")
    way.open.set()
    outlet.start()
    late.join(SOON_S)
    assert not late.is_alive()
    until(lambda: sum(map(len, way.sent)) == WAITING_AT_MOST + 3)


def test_what_is_being_sent_counts_as_waiting(outlet, way):
    outlet.start()
    outlet.put_picture(1, "being sent")
    until(lambda: not outlet._waiting)
    for number in range(WAITING_AT_MOST - 1):
        assert outlet.put_picture(1, number)
    late = threading.Thread(target=outlet.put_picture, args=(1, "late"), daemon=True)
    late.start()
    late.join(0.2)
    assert late.is_alive()
    way.open.set()
    late.join(SOON_S)
    assert not late.is_alive()


def test_whoever_waits_is_let_go_when_the_camera_is_closed(outlet):
    for number in range(WAITING_AT_MOST):
        outlet.put_picture(1, number)
    given = []
    late = threading.Thread(target=lambda: given.append(outlet.put_picture(1, "late")))
    late.start()
    outlet.close(1)
    late.join(SOON_S)
    assert given == [False]
    assert not outlet.put_picture(1, "after the end")


def test_only_the_newest_numbers_leave(outlet, way):
    outlet.start()
    outlet.put(1, "first")
    until(lambda: not outlet._waiting)
    outlet.put_numbers([(1, "old"), (2, "old")])
    outlet.put_numbers([(1, "new")])
    way.open.set()
    until(lambda: len(way.sent) == 2)
    assert way.sent[1] == [(1, "new"), (2, "old")]  # in one message
