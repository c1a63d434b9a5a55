"""What several commands take on their command lines."""

from __future__ import annotations

import argparse


def positive(text: str) -> int:
    """A number of things, for a parser: 1 or more."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more, not {text!r}")
    return int(text)
