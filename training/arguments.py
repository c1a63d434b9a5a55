"""What several commands take on their command lines."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.errors import RecipeError


def positive(text: str) -> int:
    """A number of things, for a parser: 1 or more."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more, not {text!r}")
    return int(text)


def named_folder(text: str) -> tuple[str, Path]:
    """What `--data` takes. Raises RecipeError where it isn't SET=FOLDER."""
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        raise RecipeError(f"--data takes SET=FOLDER, instead got {text!r}.")
    return name, Path(folder)
