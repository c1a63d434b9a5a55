"""What a run folder says of itself.

    RUN/config.json        the recipe with every default, and the weights that it started from
    RUN/environment.json   for each command the newest start of it: versions, machine, commit, line

Once a stage is trained, what it stands on can't change under it. What may: `stage2` (its heads are
then trained again), `bundle`, flows beside those prepared, sets to test or calibrate on, and
phases of `stage1` that haven't begun; the checkpoints know which have. Of `calibration`, what is
held out of training can't.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import shutil
import subprocess
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch

from engine.machine import describe_machine
from training.checkpoint import first_difference
from training.distributed import processes
from training.errors import RecipeError
from training.features import MODALITIES
from training.recipe import Recipe
from training.stage1_checkpoint import LATER, check_begun
from training.whole_file import write_whole

_PACKAGES = ("torch", "torchvision", "numpy", "opencv-contrib-python-headless", "av", "gesta")
_TESTED = ("part", "allowed")  # of a set to train on, what its training part doesn't depend on
_DEFAULT_WEIGHTS = "imagenet"


def weights_of(folder: Path, given: str | None) -> str:
    """What the streams start from: what was `given`, else what the run began with."""
    if given is not None:
        return given
    found = _read(folder / "config.json").get("weights", _DEFAULT_WEIGHTS)
    return str(found)


def recipe_of(folder: Path) -> tuple[Recipe, str]:
    """The recipe and the weights that a run was made by. Raises RecipeError without them."""
    path = folder / "config.json"
    try:
        described = msgspec.json.decode(path.read_bytes())
        return msgspec.convert(described["recipe"], Recipe), str(described["weights"])
    except (OSError, KeyError, TypeError, msgspec.MsgspecError) as error:
        raise RecipeError(
            f"{path}, the recipe that the run was made by, can't be read ({error}): give a run's "
            "folder."
        ) from error


def keep_config(folder: Path, recipe: Recipe, weights: str, *, trains: bool = False) -> None:
    """Write config.json.

    trains: whether the command goes on with the first stage.

    Raises:
        RecipeError: the folder has a trained stage of another recipe or other weights.
        CheckpointError: its first stage has begun phases that the recipe has otherwise.
        OutputError: it can't be written.
    """
    path = folder / "config.json"
    before = _read(path)
    trained = [each for each in MODALITIES if (folder / f"{each}.pt").is_file()]
    if before and trained:
        try:
            known = msgspec.convert(before["recipe"], Recipe)
        except (KeyError, msgspec.ValidationError) as error:
            raise RecipeError(
                f"{path} was written by another version ({error}): name another --run folder, or "
                "delete that file to go on at your own risk."
            ) from error
        both = known.prepared.flows.keys() & recipe.prepared.flows.keys()
        difference = first_difference(
            _standing(known, before["weights"], both), _standing(recipe, weights, both)
        )
        if difference:
            raise RecipeError(
                f"{folder} was trained by another recipe: {difference}. Put it back, or name "
                "another --run folder."
            )
    for modality in trained:
        phases = getattr(recipe.stage1, modality)
        check_begun(folder / f"{modality}.pt", modality, phases, trains=trains)
    _write(path, {"recipe": msgspec.to_builtins(recipe), "weights": weights})


def keep_environment(folder: Path, command: str, line: Sequence[str], device: torch.device) -> None:
    """Write this start of `command` into environment.json; `line` is the whole command line."""
    machine = describe_machine()
    gpus = range(torch.cuda.device_count()) if device.type == "cuda" else ()
    path = folder / "environment.json"
    started = {
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "line": list(line),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "cpu": machine.cpu,
        "cores": machine.cores,
        "gpus": [torch.cuda.get_device_name(number) for number in gpus],
        "device": device.type,
        "processes": processes(),
        "commit": _commit(),
    }
    _write(path, {**_read(path), command: started})


def _standing(recipe: Recipe, weights: str, flows: Collection[str]) -> dict[str, Any]:
    """What trained weights stand on, in a recipe's words; of the prepared flows only `flows`."""
    plain = msgspec.to_builtins(recipe)
    of_flows = {name: each for name, each in plain["prepared"]["flows"].items() if name in flows}
    return {
        "classes": plain["classes"],
        "sets": {
            name: {key: value for key, value in each.items() if key not in _TESTED}
            for name, each in plain["sets"].items()
            if each["use"] == "train"
        },
        "prepared": {**plain["prepared"], "flows": of_flows},
        "model": {key: each for key, each in plain["model"].items() if key not in LATER},
        "calibration": {key: plain["calibration"][key] for key in ("hold_out", "seed")},
        "seed": plain["seed"],
        "precision": plain["precision"],
        "--weights": weights,
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Of the checkout that this code lies in, marked where files differ from it."""
    git, root = shutil.which("git"), Path(__file__).parent.parent
    if git is None or not (root / ".git").exists():
        return None
    ask = [git, "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    done = subprocess.run(ask, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip() or None


def _read(path: Path) -> dict[str, Any]:
    """The object in a file of ours; empty where there is none, or no whole one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, content: dict[str, Any]) -> None:
    write_whole(path, json.dumps(content, indent=1).encode() + b"\n")
