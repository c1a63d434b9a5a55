"""What a receiver outside has still to be told: the changes in the store after its cursor."""

from __future__ import annotations

from pathlib import Path

from stream.events.database import connect, explained
from stream.events.event import Event
from stream.events.store import decode


class Outbox:
    """One sink's view of the store, on a connection of its own. For one thread.

    A sink that is new begins with the changes after its first opening.

    Raises:
        StoreError: the store can't be opened.
    """

    def __init__(self, path: Path, sink: str) -> None:
        self._path = path
        self._sink = sink
        with explained(path, "opened"):
            self._connection = connect(path, "rw")
            self._connection.execute(
                """INSERT OR IGNORE INTO cursors SELECT ?, coalesce(
                   (SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0)""",
                (sink,),
            )

    def close(self) -> None:
        self._connection.close()

    def waiting(self, limit: int = 100) -> list[tuple[int, Event]]:
        """The next changes to be told, with their numbers, oldest first.

        Raises:
            StoreError: the store can't be read.
        """
        with explained(self._path, "read"):
            rows = self._connection.execute(
                """SELECT changes.sequence, body FROM changes, cursors
                   WHERE sink = ? AND changes.sequence > cursors.sequence
                   ORDER BY changes.sequence LIMIT ?""",
                (self._sink, limit),
            ).fetchall()
        return [(sequence, decode(body, self._path)) for sequence, body in rows]

    def backlog(self) -> int:
        """How many changes are still to be told.

        Raises:
            StoreError: the store can't be read.
        """
        with explained(self._path, "read"):
            (count,) = self._connection.execute(
                """SELECT count(*) FROM changes, cursors
                   WHERE sink = ? AND changes.sequence > cursors.sequence""",
                (self._sink,),
            ).fetchone()
        return int(count)

    def told(self, sequence: int) -> None:
        """Everything up to this number has arrived.

        Raises:
            StoreError: that can't be noted; it will be told again.
        """
        with explained(self._path, "written"):
            self._connection.execute(
                "UPDATE cursors SET sequence = ? WHERE sink = ?", (sequence, self._sink)
            )
