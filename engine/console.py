"""Standard streams and signals as every front door wants them, whatever the shell has left."""

from __future__ import annotations

import io
import os
import signal
import sys
from threading import Event
from types import FrameType

INTERRUPTED = 130  # the exit code that shells give to Ctrl-C
ASK_AGAIN_S = 0.02  # whether an import is done


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

    A signal that comes amid an import waits for its end. Libraries swallow what is raised there,
    or crash of it. It waits by SIGALRM, which is taken for it.

    Args:
        came: set with it, and asked at once. It tells an interruption of which a library made
            another error.

    Raises:
        KeyboardInterrupt: `came` is set already.
    """

    def interrupt(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001
        came.set()
        waits = _amid_import(frame)
        signal.setitimer(signal.ITIMER_REAL, ASK_AGAIN_S if waits else 0)
        if not waits:
            raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, interrupt)
    if came.is_set():
        raise KeyboardInterrupt


def _amid_import(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
