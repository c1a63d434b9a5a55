"""`gesta watch`: shows what a daemon publishes, in a terminal or as JSON lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from stream.messaging.keys import read_client_key
from stream.messaging.subscriber import Subscriber
from stream.screen import REDRAW_EVERY_S, Screen, Terminal
from stream.view import View

PATIENCE_S = 3.0  # a daemon that is there has been heard by then


def watch(
    endpoint: str, prefixes: Sequence[str], *, as_json: bool, key: Path | None = None
) -> None:
    """Shows messages until interrupted; waits for a daemon that is not there (yet, or any more).

    key: a file of `gesta keys new`, where the daemon lets only known clients in.

    Raises:
        ConfigError: the endpoint is none, or the key can't be read.
        KeyboardInterrupt: the user has seen enough.
        BrokenPipeError: whoever read the output is gone.
    """
    known = None if key is None else read_client_key(key)
    subscriber = Subscriber(endpoint, prefixes, key=known)
    try:
        if as_json:
            _write_json(subscriber, prefixes, sys.stdout.buffer)
        else:
            _draw(subscriber, Terminal())
    finally:
        subscriber.close()


def _write_json(subscriber: Subscriber, prefixes: Sequence[str], out: BinaryIO) -> None:
    """One message a line, byte for byte as it came."""
    notice = _Notice(subscriber)
    while True:
        received = subscriber.receive(REDRAW_EVERY_S)
        notice.say(heard=received is not None)
        # Heartbeats are always subscribed to; here they count only if they were asked for.
        if received is not None and received.topic.startswith(tuple(prefixes)):
            out.write(received.raw + b"\n")
            out.flush()


def _draw(subscriber: Subscriber, console: Terminal) -> None:
    view, notice = View(), _Notice(subscriber)
    with Screen(view, console) as screen:
        while True:
            received = subscriber.receive(REDRAW_EVERY_S)
            if received is not None:
                view.take(received.message)
            if not screen.is_live:
                notice.say(heard=received is not None)
            screen.draw(notice=notice.text(received is not None), lost=subscriber.lost_total)


class _Notice:
    """What to tell the user about a daemon that is not heard."""

    def __init__(self, subscriber: Subscriber) -> None:
        self._subscriber = subscriber
        self._began_s = time.monotonic()
        self._heard = False
        self._said: str | None = None  # of what is the trouble; None while messages come

    def text(self, heard: bool) -> str:
        """The sentence; empty while messages come."""
        self._heard |= heard
        age_s = self._subscriber.heartbeat_age_s
        if self._subscriber.alive or (age_s is None and self._heard):
            return ""
        old = "" if age_s is None else f"no heartbeat for {age_s:.0f} s, what was last seen is old"
        why = "; ".join(filter(None, (old, self._trouble())))
        return f"waiting for {self._subscriber.endpoint}{why and f': {why}'}"

    def say(self, *, heard: bool) -> None:
        """Writes it to stderr when the daemon falls silent, and when it is known why."""
        text = self.text(heard)
        trouble = self._trouble() if text else None
        if text and trouble != self._said:
            sys.stderr.write(f"gesta: {text}\n")
            sys.stderr.flush()
        self._said = trouble

    def _trouble(self) -> str:
        """Why that may be; empty until it has lasted."""
        age_s = self._subscriber.heartbeat_age_s
        silent_s = time.monotonic() - self._began_s if age_s is None else age_s
        return self._subscriber.trouble if silent_s >= PATIENCE_S else ""
