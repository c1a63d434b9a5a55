"""The events on disk: SQLite, one row an event and one row each change of it.

    events     what each event is now, with what one looks for in columns of their own
    changes    every revision as it was told, numbered without a gap that matters: a number that
               was given is never given again
    cursors    how far each receiver outside has got in the changes (`outbox`)

A change is in both or in neither. The file is written ahead (WAL) and synced with each change, so
neither a killed daemon nor a power cut loses what was told.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import msgspec

from stream.errors import StoreError
from stream.events.database import connect, explained, transaction
from stream.events.event import Event

VERSION = 1  # of the schema, in the file's `user_version`

_MIGRATIONS = {  # from version n to n + 1
    0: """
        CREATE TABLE events (
            event_id TEXT PRIMARY KEY,
            camera TEXT NOT NULL,
            rule TEXT NOT NULL,
            label TEXT NOT NULL,
            severity TEXT NOT NULL,
            start_ns INTEGER NOT NULL,
            is_open INTEGER NOT NULL,
            body BLOB NOT NULL
        ) WITHOUT ROWID;
        CREATE INDEX events_by_start ON events (start_ns);
        CREATE INDEX events_open ON events (is_open) WHERE is_open;
        CREATE TABLE changes (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            event_id TEXT NOT NULL,
            revision INTEGER NOT NULL,
            body BLOB NOT NULL,
            UNIQUE (event_id, revision)
        );
        CREATE TABLE cursors (
            sink TEXT PRIMARY KEY,
            sequence INTEGER NOT NULL
        ) WITHOUT ROWID;
    """,
}

_CHOSEN = """
    SELECT body FROM events
    WHERE (?1 IS NULL OR start_ns >= ?1 OR is_open
           OR json_extract(CAST(body AS TEXT), '$.end_ns') >= ?1)
      AND (?2 IS NULL OR start_ns < ?2)
      AND (?3 = '[]' OR label IN (SELECT value FROM json_each(?3)))
      AND (?4 = '[]' OR camera IN (SELECT value FROM json_each(?4)))
      AND (?5 = '[]' OR rule IN (SELECT value FROM json_each(?5)))
    ORDER BY start_ns
"""


class EventStore:
    """The store at `path`, made where it isn't there. For one thread; others open their own.

    One process writes; any number may read meanwhile.

    Raises:
        StoreError: it can't be opened, is damaged, was written by a later version, or belongs to
            another process that writes it.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        if read_only and not path.is_file():
            raise StoreError(f"there is no event store {path}; check the path")
        with explained(self.path, "opened"), ExitStack() as opened:
            if not read_only:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                opened.enter_context(_locked(path))
            self._connection = connect(path, "ro" if read_only else "rwc")
            opened.callback(self._connection.close)
            self._check(read_only=read_only)
            if not read_only:
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._migrate()
            self._opened = opened.pop_all()

    def close(self) -> None:
        """May be called again."""
        self._opened.close()

    def write(self, events: Sequence[Event]) -> list[int]:
        """Stores changes, all or none; returns their numbers.

        Raises:
            StoreError: nothing was stored.
        """
        with explained(self.path, "written"), transaction(self._connection):
            return [self._write(event) for event in events]

    def open_events(self) -> list[Event]:
        """Those without an end."""
        return list(self._read("SELECT body FROM events WHERE is_open ORDER BY start_ns"))

    def events(
        self,
        *,
        since_ns: int | None = None,
        until_ns: int | None = None,
        labels: Sequence[str] = (),
        cameras: Sequence[str] = (),
        rules: Sequence[str] = (),
    ) -> Iterator[Event]:
        """Those that went on in a time, if only for a part of it, of these labels, cameras and
        rules; by when they began. Nothing given: all of them.
        """
        chosen = [json.dumps(names) for names in (labels, cameras, rules)]
        return self._read(_CHOSEN, (since_ns, until_ns, *chosen))

    def changes(self, after: int = 0, limit: int = 1000) -> list[tuple[int, Event]]:
        """The next changes after a number, with theirs."""
        with explained(self.path, "read"):
            rows = self._connection.execute(
                "SELECT sequence, body FROM changes WHERE sequence > ? ORDER BY sequence LIMIT ?",
                (after, limit),
            ).fetchall()
        return [(sequence, decode(body, self.path)) for sequence, body in rows]

    def forget(self, before_ns: int) -> int:
        """Deletes the events that ended and began before a time; returns how many."""
        with explained(self.path, "written"), transaction(self._connection):
            self._connection.execute(
                """DELETE FROM changes WHERE event_id IN
                   (SELECT event_id FROM events WHERE start_ns < ? AND NOT is_open)""",
                (before_ns,),
            )
            deleted = self._connection.execute(
                "DELETE FROM events WHERE start_ns < ? AND NOT is_open", (before_ns,)
            )
            return deleted.rowcount

    def _write(self, event: Event) -> int:
        body = msgspec.json.encode(event)
        self._connection.execute(
            "INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                event.event_id, event.camera, event.rule, event.label, event.severity,
                event.start_ns, event.is_open, body,
            ),
        )  # fmt: skip
        added = self._connection.execute(
            "INSERT INTO changes (event_id, revision, body) VALUES (?, ?, ?)",
            (event.event_id, event.revision, body),
        )
        assert added.lastrowid is not None
        return added.lastrowid

    def _read(self, query: str, values: Sequence[object] = ()) -> Iterator[Event]:
        with explained(self.path, "read"):
            for (body,) in self._connection.execute(query, values):
                yield decode(body, self.path)

    def _check(self, *, read_only: bool) -> None:
        """Raises sqlite3.DatabaseError or StoreError for a file that is no whole store."""
        (found,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise StoreError(
                f"the event store {self.path} has schema {version}, and this version knows "
                f"{VERSION}; update gesta, or name another store"
            )
        if version == 0 and read_only:
            raise StoreError(f"{self.path} is no event store; check the path")
        tables = "SELECT count(*) FROM sqlite_master"
        if version == 0 and self._connection.execute(tables).fetchone() != (0,):
            raise StoreError(f"{self.path} is a data base of something else; name another store")

    def _migrate(self) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        for old in range(version, VERSION):
            with transaction(self._connection):
                for statement in _MIGRATIONS[old].split(";"):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {old + 1}")


def _locked(path: Path) -> BinaryIO:
    """A file beside the store that one process at a time can hold open, for as long as it does."""
    lock = path.with_name(f"{path.name}.lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise StoreError(
            f"another daemon writes the event store {path}; give each its own (events.store)"
        ) from None
    return lock


def decode(body: bytes, path: Path) -> Event:
    """An event from its row. Raises StoreError for one that this version can't read."""
    try:
        return msgspec.json.decode(body, type=Event)
    except msgspec.DecodeError as error:
        raise StoreError(
            f"the event store {path} holds an event that this version can't read ({error}); "
            "update gesta"
        ) from error
