"""The log: one format, on stderr, without secrets."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable
from typing import TextIO

from stream.url import mask_text

QUIET, NORMAL, CHATTY = logging.WARNING, logging.INFO, logging.DEBUG


class MaskingFormatter(logging.Formatter):
    """Masks the passwords of URLs, and the secrets given, in messages and tracebacks alike."""

    converter = staticmethod(time.gmtime)

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        self.secrets = tuple(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """The record as one or more lines, masked."""
        return mask_text(super().format(record), self.secrets)


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is at the time: a live table may stand in for it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """Where to write."""
        return sys.stderr

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's name
        """A log that nobody can read any more (a closed pipe) is no reason to stop."""


def start_logging(level: int, secrets: Iterable[str] = ()) -> None:
    """Sends everything from `level` up to stderr; may be called again, with more secrets."""
    handler = StderrHandler()
    handler.setFormatter(MaskingFormatter(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
