"""Puts a view on the terminal: a live table, or lines where there is no terminal."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.live import Live

from stream.messaging.messages import Message
from stream.view import View

REDRAW_EVERY_S = 0.125
LINES_EVERY_S = 0.5
WAITING_AT_MOST = 1000  # messages that a stuck terminal may hold up; more are not shown

_log = logging.getLogger(__name__)


class Terminal(Console):
    """A console that tells of a closed pipe, where rich's own would end the process."""

    def on_broken_pipe(self) -> None:
        """Called while the error is being handled."""
        raise BrokenPipeError("whoever read the output is gone")


class Screen:
    """Draws a view as often as makes sense. A context manager; for one thread."""

    def __init__(
        self, view: View, console: Console, *, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._view = view
        self._console = console
        self._clock_s = clock_s
        self._drawn_s = float("-inf")
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")

    @property
    def is_live(self) -> bool:
        """A table that redraws itself, rather than lines."""
        return self._console.is_terminal and not self._console.is_dumb_terminal

    def draw(self, *, notice: str = "", lost: int = 0, now: bool = False) -> None:
        """Redraws, unless that was done just before."""
        due_s = self._drawn_s + (REDRAW_EVERY_S if self.is_live else LINES_EVERY_S)
        if not now and self._clock_s() < due_s:
            return
        self._drawn_s = self._clock_s()
        if self.is_live:
            width, height = self._console.size
            table = self._view.table(notice=notice, lost=lost, width=width, height=height)
            self._live.update(table, refresh=True)
        else:
            for line in self._view.lines():
                self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Screen:
        if self.is_live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.is_live:
            self._live.stop()


class ScreenThread(threading.Thread):
    """Draws for a daemon, which must never wait for a terminal: what is too much is not shown."""

    def __init__(self, console: Console) -> None:
        super().__init__(name="screen", daemon=True)
        self._screen = Screen(view := View(), console)
        self._view = view
        self._messages: queue.Queue[Message] = queue.Queue(WAITING_AT_MOST)
        self._stop_asked = threading.Event()

    def show(self, message: Message) -> None:
        """Hands a message over; never waits."""
        try:
            self._messages.put_nowait(message)
        except queue.Full:
            return

    def stop(self, timeout_s: float) -> None:
        """Draws a last time and ends, unless the terminal is stuck."""
        self._stop_asked.set()
        self.join(timeout_s)

    def run(self) -> None:
        """The thread's life."""
        try:
            with self._screen:
                while not self._stop_asked.is_set():
                    self._take(REDRAW_EVERY_S)
                    self._screen.draw()
                self._take(0)
                self._screen.draw(now=self._screen.is_live)
        except (OSError, ValueError) as error:  # the terminal, or the pipe behind it, is gone
            _log.warning("nothing can be shown any more (%s); the daemon goes on", error)

    def _take(self, timeout_s: float) -> None:
        """Takes in what has come, waiting so long for the first."""
        try:
            self._view.take(self._messages.get(timeout=timeout_s))
            for _ in range(WAITING_AT_MOST):
                self._view.take(self._messages.get_nowait())
        except queue.Empty:
            return
