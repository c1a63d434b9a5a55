"""Standard streams and signals as every front door wants them, whatever the shell has left."""

from __future__ import annotations

import io
import os
import signal
import sys
from threading import Event
from types import FrameType

INTERRUPTED = 130  # the exit code that shells give to Ctrl-C


def prepare_standard_streams() -> None:
    """Makes sure that there are three, and that stdout can print anything."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed: without this a socket would get the number, and what is printed
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a bar is no letter of an old locale's


def abandon_stdout() -> None:
    """After a broken pipe: what is still to be flushed goes nowhere, without another error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def interrupt_on_signals(came: Event) -> None:
    """From now on SIGTERM raises KeyboardInterrupt, as SIGINT does: what is open gets closed.

    Args:
        came: set with it, and asked at once. It tells an interruption of which a library made
            another error, as imports of compiled modules do.

    Raises:
        KeyboardInterrupt: `came` is set already.
    """

    def interrupt(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001
        came.set()
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    if came.is_set():
        raise KeyboardInterrupt
