"""`gesta-train quantise`: int8 graphs for a bundle.

What needs torch is imported by the functions that use it: help and parsing go without.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from training.arguments import named_folder
from training.errors import TrainingError

if TYPE_CHECKING:
    from engine.manifest import Manifest
    from training.progress import Progress
    from training.quantisation.clips import Clips


def add_command(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `quantise`; it sets `handler`."""
    parser = subparsers.add_parser(
        "quantise",
        help="add int8 graphs to a bundle: faster on a CPU, with a few other answers",
        description="Write a copy of a bundle that also has its CNNs in 8 bits, calibrated on "
        "clips. Other clips are then given to both, and the copy is refused where int8 gives "
        "fp32's answer less than 98 times in a hundred. It takes minutes, and no GPU. The daemon "
        "runs them with `--precision int8`.",
    )
    parser.add_argument(
        "bundle", metavar="BUNDLE", help="a folder, a .zip, or a built-in bundle's name"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the new bundle's folder"
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--run",
        type=Path,
        metavar="FOLDER",
        help="calibrate on the training clips of the run that the bundle comes from (with --data), "
        "and measure on those that it held out, or on its test clips",
    )
    source.add_argument(
        "--clips",
        type=Path,
        metavar="DIR",
        help="calibrate on three in four of the videos in here, and measure on the others",
    )
    source.add_argument(
        "--drawn",
        action="store_true",
        help="calibrate on drawn patterns, and measure nothing: for bundles of random weights, "
        "which are to be timed",
    )
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="SET=FOLDER",
        help="with --run: the folders of all of the recipe's sets, as for the other commands",
    )
    parser.set_defaults(handler=handle)


def handle(given: argparse.Namespace) -> int:
    """Do what was asked for.

    Raises:
        TrainingError: with a sentence for the user. EngineError: the bundle can't be used.
    """
    from engine.bundle import Bundle
    from training.progress import Progress
    from training.quantisation.bundle import add_int8
    from training.quantisation.clips import calibration_images, drawn_images, samples_of

    if given.data and given.run is None:
        raise TrainingError("--data goes with --run: it names the folders of the run's sets.")
    progress, bundle = Progress(), Bundle.open(given.bundle)
    manifest = bundle.manifest
    if given.drawn:
        add_int8(bundle, given.out, images=drawn_images(manifest), samples=(), progress=progress)
    else:
        with _clips(given, manifest, progress) as clips:
            found = add_int8(
                bundle,
                given.out,
                images=calibration_images(clips.calibration, manifest),
                samples=samples_of(clips.held_out, manifest),
                progress=progress,
            )
        progress.note(f"in int8 {found}")
    size_mb = sum(file.stat().st_size for file in given.out.iterdir()) / 1e6
    progress.note(
        f"{given.out}: bundle '{manifest.name}' {manifest.version} with int8 graphs, "
        f"{size_mb:.1f} MB; run it with `gesta run --bundle {given.out} --precision int8`"
    )
    return 0


@contextmanager
def _clips(given: argparse.Namespace, manifest: Manifest, progress: Progress) -> Iterator[Clips]:
    from training.quantisation.clips import clips_of_folder, clips_of_run
    from training.record import recipe_of
    from training.run import Run

    if given.clips is not None:
        with clips_of_folder(given.clips, manifest, progress) as clips:
            yield clips
        return
    recipe, weights = recipe_of(given.run)
    data = dict(named_folder(text) for text in given.data)
    yield clips_of_run(Run(recipe, given.run, data, weights, progress))
