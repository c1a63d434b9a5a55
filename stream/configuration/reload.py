"""Reads the configuration again, when asked to or when its file has changed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

from stream.configuration.config import Config
from stream.configuration.revision import Revision
from stream.errors import StreamError
from stream.plural import counted

LOOK_EVERY_NS = 1_000_000_000

_log = logging.getLogger(__name__)


class Reload:
    """A file is read once it has stayed as it is between two looks: editors write in pieces.

    Args:
        path: the configuration's file; None where there is none.
        load: reads it, and checks it as at a start. config: what it gave just now.
        asked: set to have it read at once, whether or not it has changed.

    Attributes:
        config: what the daemon runs with.
        succeeded: whether the last file read was taken; true before any.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        load: Callable[[], Config],
        config: Config,
        asked: Event,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.config = config
        self.succeeded = True
        self._path = path
        self._load = load
        self._asked = asked
        self._clock_ns = clock_ns
        self._told_gone = False
        self._next_look_ns = clock_ns() + LOOK_EVERY_NS
        self._read = self._seen = self._mark()

    def due(self) -> Revision | None:
        """What is to be changed now, if anything. A file that can't be taken is refused whole, and
        the log says why.
        """
        if not (self._asked.is_set() or self._has_changed()):
            return None
        self._asked.clear()
        self._read = self._seen = self._mark()
        try:
            return Revision.between(self.config, self._load())
        except StreamError as error:
            self.refuse(error)
            return None

    def refuse(self, error: StreamError) -> None:
        """The new configuration is not taken."""
        self.succeeded = False
        _log.error("the new configuration is refused, and the old one goes on: %s", error)

    def accept(self, revision: Revision) -> None:
        """The daemon runs with it from now on."""
        self.config, self.succeeded = revision.config, True
        _log.info(
            "the new configuration is taken: %s, %s",
            counted(len(revision.config.cameras), "camera"),
            counted(len(revision.config.rules), "rule"),
        )

    def _has_changed(self) -> bool:
        if self._path is None or (now_ns := self._clock_ns()) < self._next_look_ns:
            return False
        self._next_look_ns = now_ns + LOOK_EVERY_NS
        before, self._seen = self._seen, self._mark()
        if self._seen is None:  # for a moment, where it is being replaced
            if before is None and not self._told_gone:
                self._told_gone = True
                _log.warning("%s is gone; what it said goes on until it is back", self._path)
            return False
        self._told_gone = False
        return self._seen == before != self._read

    def _mark(self) -> tuple[int, int, int] | None:
        """What differs once a file was written or replaced; None where it isn't there."""
        if self._path is None:
            return None
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
