"""What a long step shows: a bar in a terminal, and lines in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from training.errors import OutputError

_PRINTED = 20  # lines of one kind


class Progress:
    """One bar at a time, and notes that stay. `log`: a file that the notes also go to.

    Raises OutputError where that can't be written.
    """

    def __init__(self, *, log: Path | None = None, console: Console | None = None) -> None:
        self._log = log
        self._console = console or Console(file=sys.stderr)
        if log is not None:
            with _written(log):
                log.parent.mkdir(parents=True, exist_ok=True)

    def note(self, line: str) -> None:
        """Print a line, and keep it in the log with its time."""
        self._console.print(line, highlight=False, markup=False)
        self._keep([line])

    def _keep(self, lines: Sequence[str]) -> None:
        if self._log is not None:
            stamp = time.strftime("%H:%M:%S")
            with _written(self._log), self._log.open("a", encoding="utf-8") as file:
                file.writelines(f"{stamp} {line}\n" for line in lines)

    def notes(self, lines: Sequence[str]) -> None:
        """Several notes of one kind: all of them in the log, and a screen's worth printed."""
        shown = lines if len(lines) <= _PRINTED or self._log is None else lines[:_PRINTED]
        for line in shown:
            self.note(line)
        if len(shown) < len(lines):
            self._console.print(
                f"... and {len(lines) - len(shown)} more, in {self._log}", highlight=False
            )
            self._keep(lines[len(shown) :])

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Callable[[], None]]:
        """A bar of `total` steps; call what it gives once a step."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Bars(*columns, console=self._console, transient=True) as bars:
            bar = bars.add_task(name, total=total)
            yield lambda: bars.advance(bar)


@contextmanager
def _written(log: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{log} can't be written ({error.strerror}): choose another place, or make room and "
            "run again; what is done is kept."
        ) from error


QUIET = Progress(console=Console(quiet=True))  # for processes that another one leads
