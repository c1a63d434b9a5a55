"""Predictions in, changes of events out."""

from pathlib import Path

import pytest

from stream.errors import StoreError
from stream.events.desk import Change, EventDesk
from stream.events.schedule import ScheduleConfig
from stream.events.store import EventStore
from stream.messaging.envelope import Envelope
from tests.stream.events.drawn import CLASSES, NOON_NS, SECOND_NS, Predictions, rule, seconds
from tests.stream.messaging.samples_of_messages import status


def desk(*rules: object, store: EventStore | None = None, **given: object) -> EventDesk:
    return EventDesk(
        rules or (rule(min_duration_s=0.0),),  # type: ignore[arg-type]
        classes=CLASSES,
        window_s=1.2,
        store=store,
        **given,  # type: ignore[arg-type]
    )


def phases(changes: list[Change]) -> list[str]:
    return [change.event.phase for change in changes]


def test_an_event_of_a_rules_label() -> None:
    watching, seen = desk(), Predictions()
    assert watching.recognised(seen(0.0, 0.5)) == []
    (change,) = watching.recognised(seen(0.1, 0.8))
    assert (change.event.camera, change.event.label, change.event.peak) == ("hall", "walk", 0.8)
    assert change.event.onset_uncertainty_s == pytest.approx(1.24)  # the window, and the clock
    assert change.sequence is None
    assert watching.open_events == (change.event,)


def test_labels_that_count_as_one_are_added_and_the_likeliest_is_named() -> None:
    watching = desk(rule(labels=("idle", "walk"), min_duration_s=0.0, enter=1.0))
    (change,) = watching.recognised(Predictions()(0.0, 0.7))
    assert (change.event.label, change.event.peak) == ("walk", 1.0)


def test_a_window_that_is_not_whole_says_nothing() -> None:
    watching, seen = desk(), Predictions()
    assert watching.recognised(seen(0.0, 0.9, complete=False)) == []
    watching.recognised(seen(0.1, 0.9))
    assert all(watching.recognised(seen(t, 0.0, complete=False)) == [] for t in range(1, 9))
    assert len(watching.open_events) == 1


def test_what_goes_on_can_end_though_frames_are_shed() -> None:
    watching, seen = desk(), Predictions()
    watching.recognised(seen(0.0, 0.9))
    ended = [watching.recognised(seen(t / 10, 0.1, shed=2)) for t in range(1, 13)]
    assert [phases(changes) for changes in ended if changes] == [["end"]]
    assert watching.recognised(seen(2.0, 0.9, shed=2)) == []  # but nothing begins


def test_what_the_model_would_rather_not_say_counts_as_none_of_the_labels() -> None:
    seen = Predictions()
    assert desk().recognised(seen(0.0, 0.9, abstain=True)) == []
    trusting = desk(rule(min_duration_s=0.0, when_unsure=True))
    assert phases(trusting.recognised(seen(0.0, 0.9, abstain=True))) == ["start"]


def test_cameras_are_apart_and_a_rule_may_be_for_some_only() -> None:
    watching = desk(rule(min_duration_s=0.0, cameras=("hall",)))
    assert watching.recognised(Predictions("yard")(0.0, 0.9)) == []
    assert phases(watching.recognised(Predictions("hall")(0.0, 0.9))) == ["start"]


def test_a_rule_that_is_switched_off_makes_none() -> None:
    watching = desk(rule(min_duration_s=0.0, enabled=False))
    assert watching.recognised(Predictions()(0.0, 0.9)) == []


def test_an_event_ends_where_the_stream_begins_anew() -> None:
    watching, seen = desk(), Predictions()
    watching.recognised(seen(5.0, 0.9))
    (end,) = watching.recognised(seen(0.0, 0.9, epoch=1, complete=False))
    assert (end.event.end_reason, seconds(end.event.end_ns)) == ("stream_lost", 5.0)
    assert phases(watching.recognised(seen(1.0, 0.9, epoch=1))) == ["start"]


@pytest.mark.parametrize("state", ["stalled", "offline", "ended"])
def test_an_event_ends_where_its_camera_is_gone(state: str) -> None:
    watching, seen, sender = desk(), Predictions(), Envelope("home", "box")
    watching.recognised(seen(5.0, 0.9))
    assert watching.told(status(sender, "yard", state)) == []
    assert watching.told(status(sender, "hall", "live")) == []
    (end,) = watching.told(status(sender, "hall", state))
    assert end.event.end_reason == "stream_lost"


def test_a_stop_ends_every_event() -> None:
    watching = desk()
    for camera in ("hall", "yard"):
        watching.recognised(Predictions(camera)(0.0, 0.9))
    ended = watching.stop()
    assert [change.event.end_reason for change in ended] == ["shutdown"] * 2
    assert watching.open_events == ()


def test_outside_of_its_hours_a_rule_makes_no_event_and_ends_the_one_that_goes_on() -> None:
    # NOON_NS is 2027-01-15 08:00 UTC, a Friday.
    night = ScheduleConfig(begin="20:00", end="08:01")
    watching = desk(rule(min_duration_s=0.0, schedule=night))
    seen = Predictions()
    assert phases(watching.recognised(seen(59.9, 0.9))) == ["start"]
    (end,) = watching.recognised(seen(60.0, 0.9))
    assert (end.event.end_reason, seconds(end.event.end_ns)) == ("disabled", 59.9)
    assert watching.recognised(seen(61.0, 0.9)) == []


def test_durations_are_the_streams_whatever_becomes_of_its_clock() -> None:
    watching, seen = desk(rule(min_duration_s=0.5)), Predictions()
    assert watching.recognised(seen(0.0, 0.9)) == []
    # An hour forward inside an epoch: still a tenth of a second.
    assert watching.recognised(seen(0.1, 0.9, clock_ahead_s=3600.0)) == []
    # And backward over a cut: the cooldown of an event never lasts for an hour.
    cooling = desk(rule(min_duration_s=0.0, cooldown_s=2.0))
    cooling.recognised(seen(0.0, 0.9, clock_ahead_s=3600.0))
    cooling.recognised(seen(0.0, 0.9, epoch=1))
    assert phases(cooling.recognised(seen(2.0, 0.9, epoch=1))) == ["start"]


def test_each_change_is_stored_before_it_is_told(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "events.sqlite")
    watching, seen = desk(store=store), Predictions()
    (start,) = watching.recognised(seen(0.0, 0.9))
    assert start.sequence == 1
    assert store.open_events() == [start.event]
    (end,) = watching.stop()
    assert store.changes() == [(1, start.event), (2, end.event)]
    watching.close()


def test_what_a_killed_daemon_left_open_is_ended_as_it_was_last_seen(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "events.sqlite")
    (start,) = desk(store=store).recognised(Predictions()(3.0, 0.9))
    (end,) = desk(store=store).begin()
    assert end.event.event_id == start.event.event_id
    assert (end.event.end_reason, seconds(end.event.end_ns)) == ("crash", 3.0)
    assert end.event.revision == 1
    assert desk(store=store).begin() == []
    store.close()


class FullDisk(EventStore):
    """A store on a disk that may be full."""

    full = False

    def write(self, events):  # type: ignore[no-untyped-def]
        if self.full:
            raise StoreError("the disk is full; make room")
        return super().write(events)


def test_events_are_told_though_they_cant_be_stored_and_stored_once_they_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = FullDisk(tmp_path / "events.sqlite")
    watching, seen = desk(store=store), Predictions()
    store.full = True
    (start,) = watching.recognised(seen(0.0, 0.9))
    watching.recognised(seen(5.0, 0.9))
    assert start.sequence is None
    assert caplog.text.count("make room") == 1
    watching.tidy(NOON_NS)
    assert store.changes() == []
    assert watching.unstored == 2
    store.full = False
    watching.tidy(NOON_NS + SECOND_NS)
    assert store.changes() == []  # not tried again at each heartbeat
    watching.tidy(NOON_NS + 6 * SECOND_NS)
    assert watching.unstored == 0
    assert [event.revision for _, event in store.changes()] == [0, 1]
    (end,) = watching.stop()
    assert end.sequence == 3
    store.close()


def test_old_events_are_forgotten_once_an_hour(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "events.sqlite")
    watching, seen = desk(store=store, keep_s=86_400.0), Predictions()
    watching.recognised(seen(0.0, 0.9))
    watching.told(status(Envelope("home", "box"), "hall", "offline"))
    watching.tidy(NOON_NS + 86_399 * SECOND_NS)
    assert len(list(store.events())) == 1
    watching.tidy(NOON_NS + 86_401 * SECOND_NS)
    assert len(list(store.events())) == 1  # not looked at yet
    watching.tidy(NOON_NS + 90_000 * SECOND_NS)
    assert list(store.events()) == []
    watching.close()
