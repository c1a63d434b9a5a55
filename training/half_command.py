"""`gesta-train halve`: fp16 graphs for a bundle.

What needs torch is imported by the function that uses it: help and parsing go without.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_command(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `halve`; it sets `handler`."""
    parser = subparsers.add_parser(
        "halve",
        help="add fp16 graphs to a bundle: for TensorRT 11, which makes none itself",
        description="Write a copy of a bundle that also has its CNNs in 16 bits. Their answers are "
        "held against fp32's, and the copy is refused where a probability differs by more than "
        "0.005. It needs no clips and no GPU. TensorRT 11 and later run these graphs where the "
        "precision is auto or fp16; older versions make their own from fp32 and need none.",
    )
    parser.add_argument(
        "bundle", metavar="BUNDLE", help="a folder, a .zip, or a built-in bundle's name"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the new bundle's folder"
    )
    parser.set_defaults(handler=handle)


def handle(given: argparse.Namespace) -> int:
    """Do what was asked for.

    Raises:
        TrainingError: with a sentence for the user. EngineError: the bundle can't be used.
    """
    from engine.bundle import Bundle
    from training.half import add_fp16
    from training.progress import Progress

    bundle = Bundle.open(given.bundle)
    drift = add_fp16(bundle, given.out)
    size_mb = sum(file.stat().st_size for file in given.out.iterdir()) / 1e6
    manifest = bundle.manifest
    Progress().note(
        f"{given.out}: bundle '{manifest.name}' {manifest.version} with fp16 graphs, "
        f"{size_mb:.1f} MB; in fp16 no probability differs by more than {drift:.1e} from fp32's"
    )
    return 0
