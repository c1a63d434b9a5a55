"""How training went: RUN/history.jsonl, and the same numbers for TensorBoard in RUN/tensorboard.

A line is one JSON object. Every line has
    stage           stage1 | stage2
    stream          rgb | flow
    phase, epoch    from 1; the second stage's phases are the steps of its learning rate
    iteration       steps of the optimiser until now, over all phases
    loss, right     means since the line before: the loss, and the part of clips that were right
    learning_rate   stage1: of the step to come; stage2: of the last one
    seconds         since the line before
and one of the second stage also the terms of equation (14), `cross_entropy` and `regularisation`,
and `judged_false`, the part of the frames that the binary classifiers judge false.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import msgspec

from training.errors import OutputError

_NAMES = ("stage", "stream", "phase", "epoch", "iteration")  # of a line, not measured


class Curve:
    """One stage and stream's part of the history. Several processes may write to one history.

    Args:
        folder: the run's; None keeps nothing.
        after: the iteration that training goes on from; lines of later ones, which a run that was
            stopped in between has left, are dropped.

    Raises OutputError where it can't be written.
    """

    def __init__(self, folder: Path | None, stage: str, stream: str, *, after: int = 0) -> None:
        self._names = {"stage": stage, "stream": stream}
        self._path = None if folder is None else folder / "history.jsonl"
        self._board: Any = None
        if folder is not None:
            self._drop_after(after)
            self._board = _open_board(folder / "tensorboard" / f"{stage}-{stream}", after)

    def __enter__(self) -> Curve:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._board is not None:
            self._board.close()

    def add(self, *, iteration: int, **values: float) -> None:
        """Write one line; `values` are the others of a line's numbers by name."""
        if self._path is None:
            return
        line = {**self._names, "iteration": iteration, **values}
        with _locked(self._path) as file:
            file.write(msgspec.json.encode(line) + b"\n")
        if self._board is not None:
            for name in values.keys() - set(_NAMES):
                self._board.add_scalar(name, values[name], iteration)
            self._board.flush()

    def _drop_after(self, iteration: int) -> None:
        assert self._path is not None
        with _locked(self._path) as file:
            file.seek(0)
            lines = file.readlines()
            kept = [line for line in lines if not self._is_later(line, iteration)]
            if len(kept) < len(lines):
                file.truncate(0)
                file.write(b"".join(kept))

    def _is_later(self, line: bytes, iteration: int) -> bool:
        try:
            found = msgspec.json.decode(line)
        except msgspec.DecodeError:  # half a line: the process was killed
            return True
        mine = all(found.get(name) == value for name, value in self._names.items())
        return mine and found.get("iteration", 0) > iteration


@contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    """The file, to append to, while no other process does."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
    except OSError as error:
        raise OutputError(
            f"{path} can't be written ({error.strerror}): free some space and run again; "
            "it goes on after the last checkpoint."
        ) from error


def _open_board(folder: Path, after: int) -> Any:
    """A writer for TensorBoard, or None where that isn't installed: history.jsonl has it all."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=after + 1 if after else None)
