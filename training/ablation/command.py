"""`gesta-train ablate`: Table 2 of the paper on the recipe's data."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence

from rich.console import Console

from training import steps
from training.ablation.rows import full_gain, on_split, variants
from training.ablation.show import print_tables, write_tables
from training.ablation.study import measure, prepare, train
from training.ablation.table import tables
from training.errors import RecipeError
from training.features import MODALITIES
from training.model.build import Modality
from training.recipe import Recipe
from training.run import Run

_SPLITS = (1, 2, 3)


def ablate(run: Run, given: argparse.Namespace, modality: Modality | None) -> None:
    """Train and measure every row, then print and write the tables.

    modality: train this stream only, on clips prepared before; the tables need both.
    Raises RecipeError for options that don't fit the recipe.
    """
    gains = _gains(given.gains, run.recipe)
    splits = _splits(given.splits, run.recipe)
    chosen = variants(splits=splits, gains=gains, seeds=given.stage1_seeds, heads=given.seeds)
    steps.check_weights(run, [run.folder / each.first_stage.folder for each in chosen])
    if modality is None:
        prepare(run, splits, given.workers)
    train(run, chosen, MODALITIES if modality is None else (modality,), crops=given.crops)
    if modality is not None:
        return
    measured = measure(run, chosen, crops=given.crops)
    found = tables(measured, run.recipe.sets)
    described = {
        "command": _command(given, run.weights),
        "backbone": run.recipe.model.backbone,
        "weights": run.weights,
        "input_size": run.recipe.model.input_size,
        "flow": run.recipe.prepared.default_flow,
        "crops": given.crops,
        "seeds": given.seeds,
        "stage1_seeds": given.stage1_seeds,
    }
    caption = _caption(run, given, described["command"])
    write_tables(run.folder, found, measured, caption=caption, described=described)
    print_tables(Console(), found, caption)


def _caption(run: Run, given: argparse.Namespace, command: object) -> str:
    """Everything that the numbers depend on, in a paragraph."""
    model, flow = run.recipe.model, run.recipe.prepared.default_flow
    return (
        f"Ours: {model.backbone} at {model.input_size} px from weights {run.weights}, flow "
        f"{flow}, {model.segments * model.frames_per_segment} frames by global "
        f"sampling, {given.crops} {'crop' if given.crops == 1 else 'crops'}; first stage: seeds "
        f"{given.stage1_seeds}, second: {given.seeds} on each, with the standard deviation over "
        "all where there are several. The paper: resnet152 at 224 px from ImageNet weights, flow "
        "tvl1, 30 frames, 10 crops. Where backbone, weights, size or flow differ, the rows can't "
        "match the paper's: compare the differences between them. "
        f"Command: {command}"
    )


def _gains(text: str, recipe: Recipe) -> tuple[float, ...]:
    try:
        gains = [full_gain(recipe) if part == "HH" else float(part) for part in text.split(",")]
    except ValueError:
        raise RecipeError(f"--gains takes numbers and HH, instead got {text!r}.") from None
    if any(not gain >= 0 for gain in gains):
        raise RecipeError(f"--gains must not be negative, instead got {text!r}.")
    return tuple(dict.fromkeys(gains))


def _splits(text: str, recipe: Recipe) -> tuple[int, ...]:
    parts = text.split(",")
    if any(part not in [str(split) for split in _SPLITS] for part in parts):
        raise RecipeError(f"--splits takes 1, 2 and 3 with commas, instead got {text!r}.")
    splits = tuple(sorted({int(part) for part in parts}))
    if splits != (1,) and on_split(recipe, 2) == on_split(recipe, 1):
        raise RecipeError("No set of this recipe has official splits: leave --splits out.")
    return splits


def _command(given: argparse.Namespace, weights: str) -> str:
    """The command that makes these tables again."""
    words: Sequence[str] = (
        "gesta-train",
        "ablate",
        given.recipe,
        f"--run={given.run}",
        *(f"--data={each}" for each in given.data),
        f"--weights={weights}",
        f"--seeds={given.seeds}",
        f"--stage1-seeds={given.stage1_seeds}",
        f"--gains={given.gains}",
        f"--splits={given.splits}",
        f"--crops={given.crops}",
    )
    return shlex.join(words)
