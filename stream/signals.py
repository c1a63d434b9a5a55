"""How SIGTERM, SIGINT (Ctrl-C) and SIGHUP (a terminal that is closed) stop the daemon.

Where there is no terminal, SIGHUP asks to read the configuration again, as it does of any daemon.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType

PATIENCE_S = 4.0  # an orderly stop takes less, and a supervisor may ask for it twice

_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def stopped_by_signals() -> Iterator[Event]:
    """An event that any of them sets; one that comes PATIENCE_S later ends the process at once.

    An event, and no exception: one that strikes inside an import or a library would end there.
    """
    stop = Event()
    asked_s: list[float] = []

    def ask(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001
        stop.set()
        asked_s.append(time.monotonic())
        if asked_s[-1] - asked_s[0] > PATIENCE_S:
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)

    before = {number: signal.getsignal(number) for number in _STOPPING}
    if before[signal.SIGHUP] == signal.SIG_IGN:  # nohup: it is to outlive its terminal
        del before[signal.SIGHUP]
    for number in before:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def reload_on_hangup() -> Event:
    """An event that SIGHUP sets from now on, unless a terminal would send it, to end us."""
    asked = Event()
    streams = (sys.stdin, sys.stdout, sys.stderr)
    if not any(stream is not None and stream.isatty() for stream in streams):
        signal.signal(signal.SIGHUP, lambda signum, frame: asked.set())  # noqa: ARG005
    return asked


def ignore_signals() -> None:
    """For a process that is about to end: being asked to once more must not cost its exit code."""
    for number in (*_STOPPING, signal.SIGALRM):  # by which one amid an import waits for its end
        signal.signal(number, signal.SIG_IGN)
