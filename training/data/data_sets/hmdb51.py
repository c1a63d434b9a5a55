"""HMDB51 (Kuehne et al., ICCV 2011): 51 classes, 6766 clips, three splits of 3570 and 1530.

JHMDB (Jhuang et al., ICCV 2013) is cut from it: 21 classes, 928 clips, lists of the same form.

    FOLDER/videos/CLASS/NAME.avi
    FOLDER/splits/CLASS_test_splitN.txt   lines `NAME.avi 1`: 1 train, 2 test, 0 neither
"""

from __future__ import annotations

from pathlib import Path

from training.data.annotations import Entry, Split, find_clips, malformed, read_lines
from training.errors import DataError

_PARTS = {"0": "neither", "1": "train", "2": "test"}


def read_hmdb51(folder: Path, number: int) -> Split:
    """Official split `number`, 1 to 3.

    Raises DataError for a missing or malformed list, and where no listed clip is there.
    """
    train, test = read_class_lists(folder / "splits", number)
    found, lacking = find_clips(folder / "videos", train)
    tested, also_lacking = find_clips(folder / "videos", test)
    return Split(tuple(found), tuple(tested), (*lacking, *also_lacking))


def read_class_lists(splits: Path, number: int) -> tuple[list[Entry], list[Entry]]:
    """What the lists of all classes put into the train and the test part."""
    ending = f"_test_split{number}.txt"
    lists = sorted(splits.glob(f"*{ending}"))
    if not lists:
        raise DataError(
            f"There is no list {splits}/CLASS{ending}: put the official lists there, as they were "
            "published."
        )
    parts: dict[str, list[Entry]] = {part: [] for part in _PARTS.values()}
    for path in lists:
        label = path.name.removesuffix(ending)
        for place, line in read_lines(path):
            name, _, part = line.rpartition(" ")
            if not name or part not in _PARTS:
                raise malformed(place, line, "NAME 0|1|2")
            parts[_PARTS[part]].append(Entry(label, Path(name.strip()).stem))
    return parts["train"], parts["test"]
