"""`gesta-train report`: a run's numbers and pictures as one page."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from training.arguments import named_folder, positive

if TYPE_CHECKING:
    from training.report.explain import Explanation

_EXPLAINED = 4


def add_command(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `report`; it sets `handler`."""
    parser = subparsers.add_parser(
        "report",
        help="draw a run: curves, classes, confusions, calibration, where it looks",
        description="Write RUN/report/index.html, with every picture beside it as PNG, from what "
        "the run's folder holds.",
    )
    parser.add_argument("--run", type=Path, required=True, metavar="FOLDER", help="the run's")
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="SET=FOLDER",
        help="the folders of all of the recipe's sets, as for the other commands: draw also where "
        "the model looks in some test clips",
    )
    parser.add_argument(
        "--clips",
        type=positive,
        default=_EXPLAINED,
        metavar="N",
        help=f"how many, drawn at random (default: {_EXPLAINED})",
    )
    parser.set_defaults(handler=handle)


def handle(given: argparse.Namespace) -> int:
    """Write the report, and say where; raises TrainingError with a sentence for the user."""
    from training.report.run_report import write_report

    explained = _explained(given) if given.data else []
    sys.stdout.write(f"{write_report(given.run, explained)}\n")
    return 0


def _explained(given: argparse.Namespace) -> list[Explanation]:
    """What the whole model attends to in test clips of the first set that has some."""
    from training.ablation.study import test_sets
    from training.progress import Progress
    from training.record import recipe_of
    from training.report.explain import drawn_clips, explain
    from training.run import Run, read_model

    recipe, weights = recipe_of(given.run)
    data = dict(named_folder(text) for text in given.data)
    run = Run(recipe, given.run, data, weights, Progress())
    model, clips = read_model(run), next(iter(test_sets(run).values()))
    return [
        explain(model, clip, recipe.classes, side=run.config.input_size)
        for clip in drawn_clips(clips, given.clips)
    ]
