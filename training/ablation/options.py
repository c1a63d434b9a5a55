"""The options of `gesta-train ablate`; no torch is needed to read them."""

from __future__ import annotations

import argparse

from training.arguments import positive


def add_options(parser: argparse.ArgumentParser) -> None:
    """What `ablate` takes beyond the options of every training command."""
    parser.add_argument(
        "--seeds",
        type=positive,
        default=3,
        help="seeds of the second stage, on the same first one (default: 3)",
    )
    parser.add_argument(
        "--stage1-seeds", type=positive, default=1, help="seeds of the first stage (default: 1)"
    )
    parser.add_argument(
        "--gains",
        default="1,HH",
        help="values of spatial_gain, with commas; HH stands for H·H (default: 1,HH)",
    )
    parser.add_argument("--splits", default="1", help="official splits, with commas (default: 1)")
    parser.add_argument(
        "--crops",
        type=int,
        choices=(1, 10),
        default=10,
        help="of each test frame: the paper's 10, or the centre only, ten times faster",
    )
