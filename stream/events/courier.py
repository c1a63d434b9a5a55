"""A thread that tells one sink of every change, in order, until it has arrived.

Each sink has its own, so one that is down delays no other. What was told but not noted before a
crash is told again: at least once, with the same idempotency key.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stream.errors import StoreError
from stream.events.event import Event
from stream.events.outbox import Outbox
from stream.events.rule import RuleConfig

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0  # between attempts; doubled each time
LOOK_EVERY_S = 5.0  # for changes that nobody woke it for
LAST_WORDS_S = 0.5

_log = logging.getLogger(__name__)


class DeliveryError(Exception):
    """A change did not arrive; the message says why, without a secret."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How it goes with a sink.

    backlog: the changes it is still to be told of, as of the last attempt.
    failing: the last attempt failed, or it can't be reached now.
    """

    backlog: int
    failing: bool


class Sink(Protocol):
    """Where changes of events are told, outside."""

    name: str  # of its cursor: the same over restarts

    @property
    def is_away(self) -> bool:
        """Whether it is known, with nothing to tell, that nothing would arrive now."""
        ...

    def open(self, connected: Callable[[], None]) -> None:
        """Begins to connect, where it stays connected; never waits.

        connected: called whenever it is, by any thread.
        """
        ...

    def tell(self, sequence: int, event: Event) -> None:
        """Returns once it has arrived there, within seconds. Raises DeliveryError otherwise."""
        ...

    def present(self, camera: str, here: bool) -> None:
        """Takes note that a camera came or went; never waits. May be called by any thread."""
        ...

    def revise(self, cameras: Mapping[str, Sequence[RuleConfig]]) -> None:
        """Takes note of other cameras, and rules for each; never waits. Of the main thread."""
        ...

    def close(self) -> None:
        """Lets go of connections; makes `tell` return soon where it waits."""
        ...


class Courier(threading.Thread):
    """Tells `sink` what is in the store at `path`."""

    def __init__(self, path: Path, sink: Sink) -> None:
        super().__init__(name=f"courier:{sink.name}", daemon=True)
        self._path = path
        self.sink = sink
        self._stopped = threading.Event()
        self._news = threading.Event()
        self._connected = threading.Event()  # since the last attempt began, or stopped
        self._backlog = 0
        self._failing = False
        self._pause_s = FIRST_PAUSE_S  # after the next failure

    @property
    def delivery(self) -> Delivery:
        """How it goes now. May be asked by any thread."""
        return Delivery(self._backlog, self._failing or self.sink.is_away)

    def wake(self) -> None:
        """There is something new."""
        self._news.set()

    def stop(self) -> None:
        """Ends once it has told what waits, or failed to."""
        self._stopped.set()
        self._news.set()
        self._connected.set()

    def abandon(self) -> None:
        """Ends at once: what was not told is told by the next daemon."""
        self.stop()
        self.sink.close()

    def run(self) -> None:
        """The thread's life."""
        try:
            self._open_sink()
            while not self._live():
                self._stopped.wait(self._pause_s)
                if self._stopped.is_set():
                    return
        finally:
            self.sink.close()

    def _open_sink(self) -> None:
        try:
            self.sink.open(self._connected.set)
        except Exception as error:  # noqa: BLE001  it is tried again when there is something to tell
            _log.error("%s: a bug, please report it", self.sink.name, exc_info=error)

    def _live(self) -> bool:
        """False where the store can't be opened."""
        try:
            outbox = Outbox(self._path, self.sink.name)
        except StoreError as error:
            self._complain(str(error))
            return False
        try:
            while not self._stopped.is_set():
                self._tell(outbox)
            self._tell(outbox)  # the last words
        finally:
            outbox.close()
        return True

    def _tell(self, outbox: Outbox) -> None:
        """Tells what waits, or waits for it."""
        self._news.clear()
        self._connected.clear()
        try:
            waiting = outbox.waiting()
            self._backlog = outbox.backlog()
            for sequence, event in waiting:
                self.sink.tell(sequence, event)
                outbox.told(sequence)
                self._backlog -= 1
                self._pause_s = FIRST_PAUSE_S
                if self._failing:
                    self._failing = False
                    _log.warning("%s is told of events again", self.sink.name)
            self._failing = False  # where nothing waits any more, too
        except Exception as error:  # noqa: BLE001  whatever it is, this sink is tried again
            expected = isinstance(error, DeliveryError | StoreError)
            what = str(error) if expected else f"{self.sink.name}: a bug ({type(error).__name__})"
            self._complain(what)
            if not self._stopped.is_set():
                self._connected.wait(self._pause_s)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            return
        if not waiting and not self._stopped.is_set():
            self._news.wait(LOOK_EVERY_S)

    def _complain(self, why: str) -> None:
        """Once: a receiver that is away for a week must not fill the log."""
        if self._stopped.is_set():
            return
        level = logging.DEBUG if self._failing else logging.WARNING
        _log.log(level, "%s; events wait for it, next try in %g s", why, self._pause_s)
        self._failing = True


def stop_couriers(couriers: Sequence[Courier]) -> None:
    """Gives them a moment for the last words; what doesn't arrive by then waits in the store."""
    deadline_s = time.monotonic() + LAST_WORDS_S
    for courier in couriers:
        courier.stop()
    for courier in couriers:
        courier.join(max(0.0, deadline_s - time.monotonic()))
        if courier.is_alive():
            courier.abandon()
