"""One process at a time for what two would spoil for each other: a stream's training, a store."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.errors import OutputError


@contextmanager
def locked(folder: Path, name: str, what: str) -> Iterator[None]:
    """Hold FOLDER/.NAME.lock; the system lets go of it however this process ends.

    Raises OutputError where another process holds it, or the file can't be written.
    what: is going on there, for the sentence.
    """
    path = folder / f".{name}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise OutputError(f"{path} can't be written ({error.strerror}).") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OutputError(
                f"Another process {what} in {folder}: wait until it has ended, or name another "
                "--run folder."
            ) from error
        yield
