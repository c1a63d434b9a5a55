"""UCF101 (Soomro et al., 2012): 101 classes, 13320 clips, three splits.

FOLDER/videos/CLASS/v_CLASS_g01_c01.avi   g is the source video
FOLDER/splits/classInd.txt                lines `1 CLASS`
FOLDER/splits/trainlist01.txt             lines `CLASS/v_CLASS_g08_c01.avi 1`
FOLDER/splits/testlist01.txt              lines `CLASS/v_CLASS_g01_c01.avi`
"""

from __future__ import annotations

from pathlib import Path

from training.data.annotations import Entry, Split, find_clips, malformed, read_lines


def read_ucf101(folder: Path, number: int) -> Split:
    """Official split `number`, 1 to 3.

    Raises DataError for a missing or malformed list, and where no listed clip is there.
    """
    train, test = read_lists(folder / "splits", number)
    found, lacking = find_clips(folder / "videos", train)
    tested, also_lacking = find_clips(folder / "videos", test)
    return Split(tuple(found), tuple(tested), (*lacking, *also_lacking))


def read_lists(splits: Path, number: int) -> tuple[list[Entry], list[Entry]]:
    """What the lists put into the train and the test part."""
    classes = read_classes(splits / "classInd.txt")
    parts = []
    for name in ("train", "test"):
        entries = []
        for place, line in read_lines(splits / f"{name}list{number:02d}.txt"):
            file, _, index = line.partition(" ")
            label, slash, clip = file.partition("/")
            # A test list has no numbers: the challenge was to find them.
            if not slash or label not in classes or index not in ("", str(classes[label])):
                raise malformed(place, line, "CLASS/NAME.avi [NUMBER OF CLASS]")
            entries.append(Entry(label, Path(clip).stem))
        parts.append(entries)
    return parts[0], parts[1]


def read_classes(path: Path) -> dict[str, int]:
    """Class -> its number, from 1 on."""
    classes = {}
    for place, line in read_lines(path):
        number, _, label = line.partition(" ")
        if not number.isdigit() or not label:
            raise malformed(place, line, "NUMBER CLASS")
        classes[label] = int(number)
    return classes
