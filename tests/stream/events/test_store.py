import sqlite3
from pathlib import Path

import pytest

from stream.errors import StoreError
from stream.events.event import Event, new_event
from stream.events.store import EventStore
from tests.stream.events.drawn import NOON_NS, SECOND_NS, rule


def event(
    at_s: float = 0.0, *, camera: str = "hall", label: str = "walk", name: str = "moving"
) -> Event:
    start_ns = NOON_NS + round(at_s * SECOND_NS)
    return new_event(
        rule(name=name), site="home", camera=camera, label=label, start_ns=start_ns,
        seen_ns=start_ns, peak=0.9, peak_ns=start_ns, key_ns=start_ns, onset_uncertainty_s=1.2,
    )  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "gesta" / "events.sqlite"


def test_an_event_is_what_its_last_change_made_of_it(path: Path) -> None:
    store, first = EventStore(path), event()
    assert store.write([first, first.updated()]) == [1, 2]
    assert store.open_events() == [first.updated()]
    ended = first.updated().ended("below_exit")
    assert store.write([ended]) == [3]
    assert store.open_events() == []
    assert list(store.events()) == [ended]
    assert [number for number, _ in store.changes(after=1)] == [2, 3]
    assert store.changes(after=1, limit=1) == [(2, first.updated())]
    store.close()


def test_what_was_stored_is_there_after_the_process_is_gone(path: Path) -> None:
    store = EventStore(path)
    store.write([event()])
    store.close()
    again = EventStore(path)
    assert len(again.open_events()) == 1
    assert again.write([event(1.0)]) == [2]
    again.close()


def test_only_its_owner_can_read_it(path: Path) -> None:
    store = EventStore(path)
    store.write([event()])
    files = [each for each in path.parent.iterdir() if each.suffix != ".lock"]
    assert {each.name for each in files} == {f"events.sqlite{end}" for end in ("", "-wal", "-shm")}
    assert {each.stat().st_mode & 0o777 for each in files} == {0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700
    store.close()
    path.chmod(0o640)  # somebody lets their group read it
    EventStore(path).close()
    assert path.stat().st_mode & 0o777 == 0o640


def test_all_or_none_is_stored(path: Path) -> None:
    store, first = EventStore(path), event()
    store.write([first])
    with pytest.raises(StoreError):
        store.write([event(1.0), first])  # this revision has been told already
    assert len(list(store.events())) == 1
    assert store.write([event(2.0)])[0] > 1
    store.close()


def test_events_are_found_by_time_label_camera_and_rule(path: Path) -> None:
    store = EventStore(path)
    store.write([
        each.ended("below_exit")
        for each in (
            event(0, camera="hall"),
            event(1, camera="yard"),
            event(2, label="run"),
            event(3, name="other"),
        )
    ])  # fmt: skip

    def starts(**given: object) -> list[int]:
        found = store.events(**given)  # type: ignore[arg-type]
        return [(each.start_ns - NOON_NS) // SECOND_NS for each in found]

    assert starts() == [0, 1, 2, 3]
    assert starts(since_ns=NOON_NS + SECOND_NS, until_ns=NOON_NS + 3 * SECOND_NS) == [1, 2]
    assert starts(cameras=["yard"]) == [1]
    assert starts(labels=["run", "fly"]) == [2]
    assert starts(rules=["moving"], cameras=["hall"]) == [0, 2]
    assert starts(labels=["'; DROP TABLE events; --"]) == []
    store.close()


def test_what_goes_on_in_a_time_may_have_begun_before_it(path: Path) -> None:
    def lasting(begun_s: int, ended_s: int) -> Event:
        return event(begun_s).ended("below_exit", end_ns=NOON_NS + ended_s * SECOND_NS)

    store = EventStore(path)
    store.write([lasting(0, 9), lasting(1, 10), lasting(2, 30), event(3), lasting(15, 16)])
    store.write([lasting(20, 21)])

    def starts(since_s: int, until_s: int | None) -> list[int]:
        until_ns = None if until_s is None else NOON_NS + until_s * SECOND_NS
        found = store.events(since_ns=NOON_NS + since_s * SECOND_NS, until_ns=until_ns)
        return [(each.start_ns - NOON_NS) // SECOND_NS for each in found]

    assert starts(10, 20) == [1, 2, 3, 15]
    assert starts(17, None) == [2, 3, 20]
    assert starts(40, None) == [3]  # it goes on
    store.close()


def test_what_is_forgotten_ended_long_ago(path: Path) -> None:
    store, old, new = EventStore(path), event(0), event(10)
    store.write([old, old.ended("below_exit"), new, new.ended("below_exit"), event(1)])
    assert store.forget(NOON_NS + 5 * SECOND_NS) == 1
    assert [each.event_id == old.event_id for each in store.events()] == [False, False]
    assert old.event_id not in {each.event_id for _, each in store.changes()}
    assert store.write([event(20)]) == [6]  # a number is never given again
    store.close()


def test_others_read_while_one_writes(path: Path) -> None:
    store = EventStore(path)
    store.write([event()])
    reader = EventStore(path, read_only=True)
    store.write([event(1.0)])
    assert len(list(reader.events())) == 2
    with pytest.raises(StoreError, match="can't be written"):
        reader.write([event(2.0)])
    reader.close()
    store.close()


def test_an_event_of_another_version_is_said(path: Path) -> None:
    store = EventStore(path)
    store.write([event()])
    with sqlite3.connect(path) as other:
        for table in ("events", "changes"):
            other.execute(f"UPDATE {table} SET body = ?", (b'{"phase":"paused"}',))
    other.close()
    for read in (store.open_events, store.changes):
        with pytest.raises(StoreError, match=r"can't read .*update gesta"):
            read()
    store.close()


def test_another_programs_lock_is_said_and_not_waited_for_long(path: Path) -> None:
    store = EventStore(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another program has locked it"):
        store.write([event()])
    other.execute("ROLLBACK")
    other.close()
    store.write([event()])
    store.close()


def test_two_daemons_dont_share_a_store(path: Path) -> None:
    store = EventStore(path)
    with pytest.raises(StoreError, match="another daemon writes the event store"):
        EventStore(path)
    store.close()
    EventStore(path).close()


def test_a_store_that_is_not_there_is_no_empty_one(path: Path) -> None:
    with pytest.raises(StoreError, match="there is no event store"):
        EventStore(path, read_only=True)


def test_an_empty_file_is_no_store_to_read(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(StoreError, match="is no event store"):
        EventStore(tmp_path / "empty", read_only=True)


def test_a_file_that_is_none_is_left_alone(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("nothing of the kind, but long enough to have a header " * 50)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"is damaged .*move it away"):
        EventStore(path)
    assert path.read_bytes() == before


def test_a_damaged_store_is_told(path: Path) -> None:
    store = EventStore(path)
    store.write([event(float(n)) for n in range(400)])
    store.close()
    whole = bytearray(path.read_bytes())
    whole[8192:40960] = bytes(32768)
    path.write_bytes(whole)
    with pytest.raises(StoreError, match="is damaged"):
        EventStore(path)


def test_a_data_base_of_something_else_is_left_alone(path: Path) -> None:
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE songs (name TEXT)")
    other.close()
    with pytest.raises(StoreError, match="something else"):
        EventStore(path)


def test_a_store_of_a_later_version_is_left_alone(path: Path) -> None:
    EventStore(path).close()
    with sqlite3.connect(path) as later:
        later.execute("PRAGMA user_version = 99")
    later.close()
    with pytest.raises(StoreError, match=r"schema 99.*update gesta"):
        EventStore(path)


def test_a_place_that_cant_be_had_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't be opened"):
        EventStore(tmp_path / "file" / "events.sqlite")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="can't be opened"):
        EventStore(tmp_path / "folder")
