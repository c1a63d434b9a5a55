"""How SIGTERM and SIGINT (Ctrl-C) stop the daemon."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType


@contextmanager
def stopped_by_signals() -> Iterator[Event]:
    """An event that either signal sets; a second signal ends the process at once.

    An event, and no exception: one that strikes inside an import or a library would end there.
    """
    stop = Event()

    def ask(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001
        stop.set()
        for number in before:
            signal.signal(number, signal.SIG_DFL)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
