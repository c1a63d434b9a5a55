"""The log: on stderr, as lines to read or as JSON, without secrets."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterable
from typing import Literal, TextIO

from stream.url import mask_text

Form = Literal["text", "json"]

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


class JsonFormatter(MaskingFormatter):
    """One object a line. A traceback is a field, so that it stays one line, too."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON, each text in it masked before its quotes are escaped."""
        entry = {
            "time": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps({key: mask_text(text, self.secrets) for key, text in entry.items()})


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


def start_logging(level: int, secrets: Iterable[str] = (), form: Form = "text") -> None:
    """Sends everything from `level` up to stderr; may be called again."""
    handler = StderrHandler()
    handler.setFormatter((JsonFormatter if form == "json" else MaskingFormatter)(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def mask_also(secrets: Iterable[str]) -> None:
    """From now on no line shows these, either."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, MaskingFormatter):
            handler.formatter.secrets += tuple(secrets)


def complain(sentence: str) -> None:
    """Says why a command ends, in the log's form, however quiet the log is."""
    handlers = logging.getLogger().handlers
    if handlers and isinstance(handlers[0].formatter, JsonFormatter):
        logging.getLogger("gesta").critical("%s", sentence)
    else:
        sys.stderr.write(f"gesta: {mask_text(sentence)}\n")
