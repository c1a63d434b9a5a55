"""Checkpoints: one dict a file, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import torch

from training.errors import CheckpointError, OutputError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Raises OutputError where the file can't be written."""
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, part)
        os.replace(part, path)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        raise OutputError(
            f"The checkpoint {path} can't be written ({error}): free some space and run again; "
            "it goes on after the epoch before."
        ) from error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Raises CheckpointError where the file can't be read as a checkpoint."""
    try:
        return cast(dict[str, Any], torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:
        raise CheckpointError(
            f"{path} is not a readable checkpoint ({type(error).__name__}): delete it to train "
            "that stage again."
        ) from error
