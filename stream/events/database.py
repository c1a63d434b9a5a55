"""SQLite as the event store uses it: how it is opened, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from stream.errors import StoreError

BUSY_S = 0.5  # how long a lock is waited for: the daemon's main thread writes here


def connect(path: Path, mode: Literal["ro", "rw", "rwc"]) -> sqlite3.Connection:
    """A connection for one thread, in which every statement stands by itself.

    mode: read, write, or write and make the file where it isn't there, for its owner alone.
    """
    if mode == "rwc":
        os.close(os.open(path, os.O_CREAT, 0o600))  # its journals get the same permissions
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=BUSY_S, isolation_level=None
    )
    if mode != "ro":
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_S * 1000)}")
        connection.execute("PRAGMA synchronous = FULL")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextmanager
def explained(path: Path, what: str) -> Iterator[None]:
    """A sentence for whatever SQLite or the disk says.

    Raises:
        StoreError: instead.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise StoreError(
                f"the event store {path} can't be {what}: another program has locked it"
            ) from error
        raise StoreError(
            f"the event store {path} can't be {what} ({error}); make room, or see to its "
            "permissions"
        ) from error
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"the event store {path} is damaged ({error}); move it away to start anew, or rescue "
            "it with sqlite3's .recover"
        ) from error
    except OSError as error:
        raise StoreError(
            f"the event store {path} can't be {what} ({error.strerror}); choose another path"
        ) from error
