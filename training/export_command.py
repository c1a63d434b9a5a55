"""`gesta-train export`: a bundle from a run's checkpoint, or from random weights.

What needs torch is imported by the functions that use it: help and parsing go without.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.bundle import Bundle
from engine.device import open_graphs
from engine.manifest import Manifest
from training.errors import CheckpointError, TrainingError

if TYPE_CHECKING:
    from training.model.build import ModelConfig
    from training.model.sta_tsn import StaTsn

# training.model.backbone's
BACKBONES = ("mobilenet_v2", "tf_mobilenet_v2", "resnet18", "resnet50", "resnet152")

# What `random_bundle` can be asked for: name, its default there, help.
RANDOM: tuple[tuple[str, str | int | float, str], ...] = (
    ("backbone", "mobilenet_v2", "the CNN: " + ", ".join(BACKBONES)),
    ("hidden_width", 256, "hidden width of the LSTM; the paper's is 2048"),
    ("input_size", 160, "side of the CNN's input in pixels, a multiple of 16; the paper's is 224"),
    ("classes", 22, "how many classes"),
    ("grid_fps", 25.0, "frames a second of the grid"),
    ("sample_every", 1, "grid frames from one sample, and prediction, to the next"),
    ("seed", 0, "of the weights; the same seed gives the same bundle"),
)


def add_command(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `export`; it sets `handler`."""
    parser = subparsers.add_parser(
        "export",
        help="write a bundle from a checkpoint, or one with random weights",
        description="Write a bundle: the folder that the daemon runs (gesta run --bundle FOLDER). "
        "Its graphs are compiled on this machine's CPU and held against the torch model before "
        "the command reports success.",
    )
    parser.add_argument(
        "checkpoint",
        nargs="?",
        type=Path,
        metavar="CHECKPOINT",
        help="the whole model of a run, FOLDER/model.pt",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the bundle's folder, a new one"
    )
    parser.add_argument("--name", help="name the bundle otherwise than the run did")
    parser.add_argument("--version", help="give it another version than the run did")
    parser.add_argument(
        "--random",
        action="store_true",
        help="in place of a checkpoint: weights drawn at random, to test and measure with",
    )
    group = parser.add_argument_group("with --random")
    for name, default, text in RANDOM:
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=type(default),
            choices=BACKBONES if name == "backbone" else None,
            metavar=name.upper().rpartition("_")[2],
            help=f"{text} (default: {default})",
        )
    parser.set_defaults(handler=handle)


def handle(given: argparse.Namespace) -> int:
    """Do what was asked for.

    Raises:
        TrainingError: with a sentence for the user. EngineError: the bundle fails its own gate.
    """
    from training.export import export_bundle, random_bundle

    asked = {name: getattr(given, name) for name, _, _ in RANDOM}
    asked = {name: value for name, value in asked.items() if value is not None}
    named = {"name": given.name, "version": given.version}
    named = {key: value for key, value in named.items() if value is not None}
    if given.random == (given.checkpoint is not None):
        raise TrainingError(
            "Give either a checkpoint or --random: `gesta-train export RUN/model.pt --out DIR`."
        )
    if given.random:
        _say(f"drawing {asked.get('backbone', 'the default backbone')} at random")
        described = random_bundle(given.out, **named, **asked)
    else:
        if asked:
            raise TrainingError(
                f"--{next(iter(asked)).replace('_', '-')} goes with --random only: a checkpoint "
                "fixes its own model."
            )
        model, config, fields = read_model(given.checkpoint)
        _say(f"exporting {given.checkpoint}")
        described = export_bundle(model, config, given.out, manifest={**fields, **named})
    check_bundle(given.out, described)
    return 0


def read_model(path: Path) -> tuple[StaTsn, ModelConfig, Mapping[str, Any]]:
    """A checkpoint's model, its configuration, and its other fields of the manifest.

    Raises:
        CheckpointError: no such file, not a checkpoint of a whole model, or one that doesn't fit.
    """
    from training.checkpoint import load_checkpoint
    from training.model.build import ModelConfig, build

    if not path.is_file():
        raise CheckpointError(
            f"There is no checkpoint {path}: give the model.pt of a run whose second stage is done."
        )
    state = load_checkpoint(path)
    if not isinstance(state, dict) or not {"config", "state_dict", "manifest"} <= set(state):
        raise CheckpointError(
            f"{path} is not the checkpoint of a whole model: give the model.pt of a run whose "
            "second stage is done."
        )
    config = ModelConfig.from_dict(state["config"])
    model = build(config)
    try:
        model.load_state_dict(state["state_dict"])
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(
            f"The weights in {path} don't fit its own configuration ({reason}): train it again."
        ) from error
    return model, config, state["manifest"]


def check_bundle(folder: Path, described: Manifest) -> None:
    """The engine's own gate: compile the graphs and compare with the golden vectors."""
    open_graphs(Bundle.open(folder.resolve()), "cpu", "fp32", progress=_say).close()
    size_mb = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    _say(
        f"{folder}: bundle '{described.name}' {described.version}, {len(described.classes)} "
        f"classes, {size_mb:.1f} MB; try it with `gesta run scene: --bundle {folder}`"
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
