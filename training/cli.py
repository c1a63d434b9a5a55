"""`gesta-train`: the front door of the training room.

A command's parts are imported when it runs, so that help is quick and needs no torch.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from engine.console import INTERRUPTED
from engine.errors import EngineError
from training.errors import MissingTorch, TrainingError

_BUG = 70
_OURS = ("engine", "training")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    try:
        with _missing_libraries_explained():
            given = _parser().parse_args(arguments)
            return int(given.handler(given))
    except (TrainingError, EngineError) as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _complain("interrupted; what was finished is kept.")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  the last resort
        traceback.print_exc()
        _complain(f"this is a bug ({type(error).__name__}): please report it with the lines above.")
        return _BUG


@contextmanager
def _missing_libraries_explained() -> Iterator[None]:
    """Raises MissingTorch where torch, or another library that only training needs, is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library in ("", *_OURS):
            raise
        raise MissingTorch(
            f"Training needs {library}, which is not installed here (the daemon does without): "
            "run `pip install '.[training]'` in the project's folder."
        ) from error


def _parser() -> argparse.ArgumentParser:
    """Every command sets `handler`, a function of the parsed arguments."""
    from training import commands, export_command, half_command
    from training.quantisation import command as quantise_command
    from training.report import command as report_command
    from training.teach import command as teach_command

    parser = argparse.ArgumentParser(
        prog="gesta-train",
        description="Train STA-TSN on labelled clips, measure it, and export it as a bundle that "
        "the daemon runs.",
        epilog="exit codes: 0 done, 2 the command line, a recipe or a checkpoint is wrong, 3 a "
        "data set can't be used, 4 the bundle or the engine fails, 5 the output can't be written, "
        "70 a bug, 130 interrupted by Ctrl-C (what was finished is kept)",
    )
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_commands(subparsers)
    export_command.add_command(subparsers)
    quantise_command.add_command(subparsers)
    half_command.add_command(subparsers)
    teach_command.add_command(subparsers)
    report_command.add_command(subparsers)
    return parser


def _complain(sentence: str) -> None:
    sys.stderr.write(f"gesta-train: {sentence}\n")


if __name__ == "__main__":
    sys.exit(main())
