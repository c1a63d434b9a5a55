"""The training commands of `gesta-train`: each step, and run for all.

What needs torch is imported by the functions that use it: help and parsing go without.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from training.ablation.options import add_options as add_ablation_options
from training.arguments import named_folder, positive
from training.errors import DeviceError, ExportError, RecipeError

if TYPE_CHECKING:
    import torch

    from training.model.build import Modality
    from training.recipe import Recipe
    from training.run import Run

RECIPES = Path(__file__).parent / "recipes"

_HELP = {
    "prepare": "decode the clips to grid frames and optical flow, once",
    "stage1": "train the CNNs with spatial attention",
    "stage2": "train key-frame exploration on the frozen CNNs",
    "calibrate": "fit temperatures and the abstention threshold on what is held out for it",
    "evaluate": "measure the model on the test parts",
    "ablate": "train and measure the four models of the paper's Table 2 on equal terms",
    "run": "prepare, stage1, stage2, calibrate, evaluate and export, going on where it stopped",
}


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the commands; each sets `handler`, a function of the parsed arguments."""
    for name, text in _HELP.items():
        parser = subparsers.add_parser(name, help=text, description=f"{text.capitalize()}.")
        parser.add_argument(
            "recipe",
            metavar="RECIPE",
            help="a recipe's TOML file, or the name of a built-in one: "
            + ", ".join(sorted(path.stem for path in RECIPES.glob("*.toml"))),
        )
        parser.add_argument(
            "--run",
            type=Path,
            required=True,
            metavar="FOLDER",
            help="where the run keeps everything; start again with the same one to go on",
        )
        parser.add_argument(
            "--data",
            action="append",
            default=[],
            metavar="SET=FOLDER",
            help="the folder of one of the recipe's sets; once for each",
        )
        parser.add_argument(
            "--weights",
            metavar="imagenet|none|FILE|bundle:NAME",
            help="what the CNNs start from: torchvision's ImageNet weights (fetched once), "
            "nothing, a state dict (.npz or .pt), or a bundle's own weights (a built-in name or "
            "a path); default: what the run began with, else imagenet",
        )
        parser.add_argument(
            "--threads",
            type=positive,
            metavar="N",
            help="processor cores to use (default: all)",
        )
        parser.add_argument(
            "--strict",
            action="store_true",
            help="stop at a clip that is missing, damaged or of an unknown class, and where a "
            "class has none (default: name and count them, and go on)",
        )
        if name in ("prepare", "run", "ablate"):
            parser.add_argument(
                "--workers",
                type=positive,
                metavar="N",
                help="processes that prepare clips (default: one a core)",
            )
        if name in ("evaluate", "run"):
            parser.add_argument(
                "--crops",
                type=int,
                choices=(1, 10),
                default=1,
                help="also score clips by this many crops of each frame: 10 is the paper's "
                "(default: 1, the centre crop)",
            )
            parser.add_argument(
                "--far",
                action="store_true",
                help="also score clips as seen from 2 and 4 times as far",
            )
        parser.add_argument(
            "--device",
            choices=("auto", "cpu", "cuda"),
            default="auto",
            help="where networks and the flow tvl1 are computed; auto is an NVIDIA GPU where there "
            "is one",
        )
        parser.add_argument(
            "--loaders",
            type=int,
            metavar="N",
            help="threads that prepare images ahead (default: 1, and 8 for a GPU); the result is "
            "the same for any number",
        )
        if name in ("stage1", "stage2", "ablate"):
            parser.add_argument(
                "--stream",
                choices=("rgb", "flow"),
                help="train this one only; two processes, one for each stream, use two cores best",
            )
        if name == "ablate":
            add_ablation_options(parser)
        parser.set_defaults(handler=handle, command=name)


def handle(given: argparse.Namespace) -> int:
    """Do what was asked for; raises TrainingError with a sentence for the user."""
    import torch

    from training.device import settle
    from training.distributed import joined, processes
    from training.progress import QUIET, Progress
    from training.record import keep_config, keep_environment, weights_of
    from training.run import Run, read_model_state

    if given.threads is not None:
        torch.set_num_threads(given.threads)
    recipe, weights = find_recipe(given.recipe), weights_of(given.run, given.weights)
    if processes() > 1 and given.command != "stage1":
        raise DeviceError(
            f"Only stage1 is shared among processes: start `gesta-train {given.command}` without "
            "torchrun."
        )
    with joined(given.device) as (group, device):
        settle(device)
        run = Run(
            recipe=recipe,
            folder=given.run,
            data=dict(named_folder(text) for text in given.data),
            weights=weights,
            progress=Progress(log=given.run / "run.log") if group.leads else QUIET,
            strict=given.strict,
            device=device,
            group=group,
            threads=_loaders(given.loaders, device),
        )
        if group.leads:
            if given.command in ("calibrate", "evaluate"):
                read_model_state(run)  # what can't be measured leaves no trace
            trains = given.command in ("stage1", "run", "ablate")
            keep_config(run.folder, recipe, weights, trains=trains)
            keep_environment(run.folder, given.command, sys.argv, device)
        _steps(given, run)
    return 0


def _steps(given: argparse.Namespace, run: Run) -> None:
    from training import steps
    from training.ablation.command import ablate
    from training.evaluation import measure
    from training.export import NO_GRID
    from training.features import MODALITIES

    command: str = given.command
    if command == "run" and run.recipe.prepared.grid_fps == "native":
        raise ExportError(f"{NO_GRID} Or take the steps before `export` one by one.")
    if command == "run":
        steps.check_weights(run, [run.folder])
    if command in ("prepare", "run"):
        steps.prepare_data(run, given.workers)
    chosen: Modality | None = getattr(given, "stream", None)
    if command == "ablate":
        ablate(run, given, chosen)
    if command in ("stage1", "run"):
        for modality in MODALITIES if chosen is None else (chosen,):
            steps.stage1(run, modality)
    if command in ("stage2", "run"):
        if chosen is None:
            steps.assemble(run)
        else:
            steps.stage2(run, chosen)
    if command in ("calibrate", "run"):
        measure.calibrate(run)
    if command in ("evaluate", "run"):
        measure.evaluate(run, crops=given.crops, far=given.far)
    if command == "run":
        steps.export(run)


def _loaders(given: int | None, device: torch.device) -> int:
    if given is not None and given < 0:
        raise RecipeError(f"--loaders must not be negative, instead got {given}.")
    return given if given is not None else (1 if device.type == "cpu" else 8)


def find_recipe(text: str) -> Recipe:
    """A recipe by path, or by the name of a built-in one. Raises RecipeError for neither."""
    from training.recipe import read_recipe

    path = Path(text)
    if path.suffix == ".toml":
        return read_recipe(path)
    built_in = RECIPES / f"{text}.toml"
    if not built_in.is_file():
        names = ", ".join(sorted(each.stem for each in RECIPES.glob("*.toml")))
        raise RecipeError(f"There is no recipe {text!r}: give a .toml file, or one of {names}.")
    return read_recipe(built_in)
