"""Checkpoints: one dict a file, written whole or not at all, gone on from by the same run only."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from training.errors import CheckpointError, OutputError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Raises OutputError where the file can't be written; an older one stays then."""
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, part)
        os.replace(part, path)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        with suppress(OSError):  # it takes the room that is lacking
            part.unlink()
        raise OutputError(
            f"The checkpoint {path} can't be written ({error}): free some space and run again; "
            "it goes on after the one before."
        ) from error


def load_checkpoint(path: Path, needed: Collection[str] = ("state_dict",)) -> dict[str, Any]:
    """Raises CheckpointError where the file is no checkpoint, or has not the keys `needed`."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f"{path} is not a readable checkpoint ({type(error).__name__}): delete it to train "
            "that stage again."
        ) from error
    if not isinstance(state, dict) or not set(needed) <= set(state):
        raise CheckpointError(
            f"{path} is not a checkpoint of this stage: delete it to train that stage again."
        )
    return state


def check_same(path: Path, saved: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raises CheckpointError where a checkpoint was made of something else than is wanted now."""
    difference = first_difference(saved, wanted)
    if difference:
        raise CheckpointError(
            f"{path} was trained with something else: {difference}. Name another run folder, or "
            "delete it to train that stage again."
        )


def first_difference(before: Any, now: Any, name: str = "") -> str | None:
    """The first value that differs between two trees of mappings and sequences, in words."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in (*before, *(key for key in now if key not in before)):
            inner = f"{name}.{key}" if name else str(key)
            if key not in before or key not in now:
                return f"`{inner}` is {'not there' if key in before else 'new'}"
            if found := first_difference(before[key], now[key], inner):
                return found
        return None
    if isinstance(before, list | tuple) and isinstance(now, list | tuple):
        for index, (old, new) in enumerate(zip(before, now, strict=False)):
            if found := first_difference(old, new, f"{name}[{index}]"):
                return found
        if len(before) != len(now):
            return f"`{name}` has {len(now)} entries, and had {len(before)}"
        return None
    return None if before == now else f"`{name}` is {now!r}, and was {before!r}"
