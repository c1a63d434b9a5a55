"""What was measured of one row: its row.json.

A row of an ablation has no calibration and one protocol, so metrics.json would say less.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from training.errors import DataError
from training.evaluation.results import Result
from training.whole_file import write_whole

ROW_FILE = "row.json"


class RowReport(msgspec.Struct, frozen=True, kw_only=True):
    """weights: what each stream was measured with, to know whether it still is the same.
    clips: by the name of each test set, what it was measured on.

    results, and where spatial attention lay (`attention_focus`): by the name of each test set.
    """

    weights: dict[str, str]
    clips: dict[str, str] = {}
    results: dict[str, Result]
    attention_focus: dict[str, dict[str, Any]] = {}

    def write(self, path: Path) -> None:
        """Raises OutputError where the file can't be written."""
        write_whole(path, msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")


def read_row(path: Path) -> RowReport:
    """Raises DataError where the file can't be read as one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=RowReport)
    except (OSError, msgspec.DecodeError) as error:
        raise DataError(f"{path} can't be read ({error}): delete it, to measure again.") from error
