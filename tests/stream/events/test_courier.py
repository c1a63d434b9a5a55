"""A thread that tells a sink of every change, until it has arrived."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stream.events import courier as module
from stream.events.courier import Courier, Delivery, DeliveryError, stop_couriers
from stream.events.event import Event
from stream.events.outbox import Outbox
from stream.events.store import EventStore
from tests.stream.events.test_store import event

SOON_S = 10.0


class Heard:
    """A sink that hears everything, unless it is down or hangs."""

    def __init__(self, name: str = "heard") -> None:
        self.name = name
        self.told: list[tuple[int, str, int]] = []
        self.attempts = 0
        self.down = False
        self.is_away = False
        self.error: Exception | None = None
        self.hangs = threading.Event()
        self.closed = threading.Event()

    def open(self, connected: Callable[[], None]) -> None:
        self.connected = connected
        if self.error is not None:
            raise self.error

    def tell(self, sequence: int, change: Event) -> None:
        self.attempts += 1
        if self.hangs.is_set():
            self.closed.wait(60)
        if self.error is not None:
            raise self.error
        if self.down or self.closed.is_set():
            raise DeliveryError(f"{self.name} is down")
        self.told.append((sequence, change.event_id, change.revision))

    def present(self, camera: str, here: bool) -> None:
        pass

    def close(self) -> None:
        self.closed.set()


def soon(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    store = EventStore(tmp_path / "events.sqlite")
    yield store
    store.close()


@pytest.fixture
def send(store: EventStore) -> Iterator[Callable[..., list[Courier]]]:
    made: list[Courier] = []

    def start(*sinks: Heard) -> list[Courier]:
        for sink in sinks:
            Outbox(store.path, sink.name).close()  # its cursor stands before what comes now
            made.append(Courier(store.path, sink))
            made[-1].start()
        return made[-len(sinks) :]

    yield start
    stop_couriers(made)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.05)


def test_a_new_sink_begins_with_what_comes_next(store: EventStore) -> None:
    store.write([event()])
    outbox = Outbox(store.path, "new")
    assert outbox.waiting() == []
    fresh = event(1.0)
    store.write([fresh, fresh.updated()])
    assert outbox.waiting() == [(2, fresh), (3, fresh.updated())]
    outbox.told(2)
    outbox.close()
    again = Outbox(store.path, "new")
    assert again.waiting() == [(3, fresh.updated())]
    assert Outbox(store.path, "other").waiting() == []
    again.close()


def test_everything_arrives_in_order_and_at_once(
    store: EventStore, send: Callable[..., list[Courier]]
) -> None:
    (sending,) = send(sink := Heard())
    first = event()
    store.write([first, first.updated(), first.updated().ended("below_exit")])
    sending.wake()
    soon(lambda: len(sink.told) == 3)
    assert [revision for _, _, revision in sink.told] == [0, 1, 2]


@pytest.mark.usefixtures("impatient")
def test_what_did_not_arrive_is_told_until_it_does(
    store: EventStore, send: Callable[..., list[Courier]], caplog: pytest.LogCaptureFixture
) -> None:
    sink = Heard()
    sink.down = True
    (sending,) = send(sink)
    store.write([event(0), event(1)])
    sending.wake()
    soon(lambda: sink.attempts >= 3)
    sink.down = False
    soon(lambda: len(sink.told) == 2)
    assert [sequence for sequence, _, _ in sink.told] == [1, 2]
    assert caplog.text.count("heard is down; events wait for it") == 1
    assert "heard is told of events again" in caplog.text


def test_what_waits_is_told_as_soon_as_it_is_connected_again(
    store: EventStore, send: Callable[..., list[Courier]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 60.0)
    sink = Heard()
    sink.down = True
    (sending,) = send(sink)
    store.write([event()])
    sending.wake()
    soon(lambda: sending.delivery.failing)
    sink.down = False
    sink.connected()
    soon(lambda: len(sink.told) == 1)
    assert sink.attempts == 2


@pytest.mark.usefixtures("impatient")
def test_how_it_goes_with_a_sink_can_be_asked(
    store: EventStore, send: Callable[..., list[Courier]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.02)
    sink = Heard()
    sink.down = True
    (sending,) = send(sink)
    assert sending.delivery == Delivery(backlog=0, failing=False)
    store.write([event(n) for n in range(120)])  # more than are read at once
    sending.wake()
    soon(lambda: sending.delivery == Delivery(backlog=120, failing=True))
    sink.down = False
    soon(lambda: sending.delivery == Delivery(backlog=0, failing=False))
    sink.is_away = True
    assert sending.delivery.failing
    sink.is_away, sink.down = False, True
    store.write([event(200).ended("below_exit")])
    soon(lambda: sending.delivery == Delivery(backlog=1, failing=True))
    store.forget(2**62)
    soon(lambda: sending.delivery == Delivery(backlog=0, failing=False))


@pytest.mark.usefixtures("impatient")
def test_a_sink_with_a_bug_is_tried_again(
    store: EventStore, send: Callable[..., list[Courier]], caplog: pytest.LogCaptureFixture
) -> None:
    sink = Heard()
    sink.error = ValueError("nobody thought of this")
    (sending,) = send(sink)
    store.write([event()])
    sending.wake()
    soon(lambda: sink.attempts >= 2)
    sink.error = None
    soon(lambda: len(sink.told) == 1)
    assert "heard: a bug (ValueError); events wait for it" in caplog.text


def test_a_sink_that_hangs_delays_no_other_and_no_stop(
    store: EventStore, send: Callable[..., list[Courier]]
) -> None:
    stuck, well = Heard("stuck"), Heard("well")
    stuck.hangs.set()
    couriers = send(stuck, well)
    store.write([event()])
    for each in couriers:
        each.wake()
    soon(lambda: len(well.told) == 1 and stuck.attempts == 1)
    before_s = time.monotonic()
    stop_couriers(couriers)
    assert time.monotonic() - before_s < 3
    for each in couriers:
        each.join(SOON_S)
        assert not each.is_alive()
    assert Outbox(store.path, "stuck").waiting() != []  # the next daemon tells it


def test_last_words_arrive_before_a_stop(
    store: EventStore, send: Callable[..., list[Courier]]
) -> None:
    (sending,) = send(sink := Heard())
    store.write([event()])
    stop_couriers([sending])
    assert len(sink.told) == 1
    assert sink.closed.is_set()


def test_what_was_told_but_not_noted_is_told_again(
    store: EventStore, send: Callable[..., list[Courier]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a crash between the two."""
    noted = Outbox.told
    monkeypatch.setattr(Outbox, "told", lambda self, sequence: None)
    (sending,) = send(sink := Heard())
    only = event()
    store.write([only])
    sending.wake()
    soon(lambda: len(sink.told) >= 2)
    monkeypatch.setattr(Outbox, "told", noted)
    assert set(sink.told) == {(1, only.event_id, 0)}
