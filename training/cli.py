"""`gesta-train`: the front door of the training room."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence

from engine.errors import EngineError
from training.errors import MissingTorch, TrainingError

_BUG = 70
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    try:
        given = _parser().parse_args(arguments)
        return int(given.handler(given))
    except (TrainingError, EngineError) as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _complain("stopped; what was finished is kept.")
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001  the last resort
        traceback.print_exc()
        _complain(f"this is a bug ({type(error).__name__}): please report it with the lines above.")
        return _BUG


def _parser() -> argparse.ArgumentParser:
    """Every command sets `handler`, a function of the parsed arguments.

    Raises:
        MissingTorch: the libraries that every command needs are not installed.
    """
    try:
        from training import commands, export_command
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "torchvision", "onnx"):
            raise
        raise MissingTorch(
            f"Training needs {error.name}, which is not installed here (the daemon does without): "
            "run `pip install '.[training]'` in the project's folder."
        ) from error
    parser = argparse.ArgumentParser(
        prog="gesta-train",
        description="Train STA-TSN on labelled clips, measure it, and export it as a bundle that "
        "the daemon runs.",
    )
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_commands(subparsers)
    export_command.add_command(subparsers)
    return parser


def _complain(sentence: str) -> None:
    sys.stderr.write(f"gesta-train: {sentence}\n")


if __name__ == "__main__":
    sys.exit(main())
