"""`gesta-train teach`: new actions from a few clips each.

What needs torch is imported by the function that uses it: help and parsing go without.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from training.arguments import positive
from training.errors import TrainingError


def add_command(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `teach`; it sets `handler`."""
    parser = subparsers.add_parser(
        "teach",
        help="teach a bundle new actions from 5 to 50 clips each, in minutes and without a GPU",
        description="Teach a bundle new actions from a few clips each: its CNNs stay as they are, "
        "key-frame exploration and the classifier are trained anew. The new bundle states the "
        "accuracy that was measured on sources left out, and the classes that it confuses.",
    )
    parser.add_argument(
        "clips", type=Path, metavar="CLIPS", help="a folder with one folder a class: CLASS/*.mp4"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the new bundle's folder"
    )
    parser.add_argument(
        "--from",
        dest="source",
        default="default",
        metavar="BUNDLE",
        help="the bundle to start from: a folder, a .zip, or a built-in name (default: default)",
    )
    parser.add_argument("--flow", help="the flow to learn from (default: the bundle's first)")
    parser.add_argument(
        "--keep-classes",
        nargs="?",
        type=Path,
        const=Path(),
        metavar="OLD_CLIPS",
        help="keep the bundle's own classes too; the folder has some clips of each of them, "
        "CLASS/*.mp4, that the new ones are told from",
    )
    parser.add_argument(
        "--groups",
        type=Path,
        metavar="FILE",
        help="which clips were cut from one recording: lines `NAME GROUP`",
    )
    parser.add_argument(
        "--test",
        type=Path,
        metavar="FOLDER|LIST",
        help="clips to measure on and never learn from: a folder like CLIPS, or a text file that "
        "names clips or groups of CLIPS, one a line",
    )
    parser.add_argument("--name", help="of the new bundle (default: its folder's)")
    parser.add_argument("--version", default="1", help="of the new bundle (default: 1)")
    parser.add_argument(
        "--licence",
        default="not stated: ask whoever taught it",
        help="of what your clips add to the bundle (default: not stated)",
    )
    parser.add_argument(
        "--attribution",
        action="append",
        default=[],
        metavar="LINE",
        help="whom to name beside those that the old bundle names; once for each",
    )
    parser.add_argument(
        "--work",
        type=Path,
        metavar="FOLDER",
        help="where features are kept for the next call (default: DIR.work)",
    )
    parser.add_argument(
        "--workers",
        type=positive,
        default=len(os.sched_getaffinity(0)),
        metavar="N",
        help="processor cores to use (default: all)",
    )
    parser.set_defaults(handler=handle)


def handle(given: argparse.Namespace) -> int:
    """Do what was asked for; raises TrainingError or EngineError with a sentence for the user."""
    import torch

    from training.export import check_free, export_bundle
    from training.export_command import check_bundle
    from training.progress import Progress
    from training.teach.lesson import check_name
    from training.teach.report import lines, manifest_fields, write_predictions
    from training.teach.teach import Request, teach

    if given.keep_classes == Path():
        raise TrainingError(
            "To keep the bundle's classes, give a folder with some clips of them, CLASS/*.mp4: "
            "`--keep-classes OLD_CLIPS`. A bundle holds no clips, and with nothing to tell a new "
            "class from, it would be seen everywhere."
        )
    out = given.out.resolve()
    check_free(out)
    name = out.name if given.name is None else given.name
    check_name(name, "The bundle")
    work = given.work or out.with_name(f"{out.name}.work")
    torch.set_num_threads(given.workers)
    taught = teach(
        Request(
            clips=given.clips,
            source=given.source,
            work=work,
            flow=given.flow,
            old_clips=given.keep_classes,
            groups=given.groups,
            test=given.test,
            workers=given.workers,
        ),
        Progress(),
    )
    fields = manifest_fields(
        taught,
        name=name,
        version=given.version,
        data_set=given.clips.resolve().name,
        licence=given.licence,
        attribution=given.attribution,
    )
    write_predictions(taught, work / "left_out.csv")
    described = export_bundle(taught.model, taught.config, out, manifest=fields)
    print("\n".join(lines(taught)))  # noqa: T201  what was asked for
    check_bundle(out, described)
    print(f"the clips one by one: {work / 'left_out.csv'}")  # noqa: T201
    return 0
