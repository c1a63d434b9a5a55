"""THUMOS14 (Jiang et al., 2014): UCF101 to train on; untrimmed videos, some of several actions.

    FOLDER/training/CLASS/NAME.avi                        all of UCF101's clips
    FOLDER/{validation,test}/video_validation_0000001.mp4
    FOLDER/splits/temporal_annotations_validation/CLASS_val.txt, ..._test/CLASS_test.txt
                                                          lines `VIDEO START_S END_S`
    FOLDER/splits/{validation,test}_classes.txt           where it is there: `VIDEO CLASS CLASS ...`

The lists of times cover 20 of the 101 classes: 200 of the 1010 videos for validation, 212 of the
1574 for testing. The classes of all videos were published as MATLAB files only: written out as
`..._classes.txt`, they are taken instead.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from training.data.annotations import (
    VIDEO_SUFFIXES,
    Clip,
    Split,
    malformed,
    read_folder,
    read_lines,
)
from training.errors import DataError

Part = Literal["validation", "test"]

_ENDING = {"validation": "_val.txt", "test": "_test.txt"}
# Times at which the annotators could not agree on an action: no class.
_AMBIGUOUS = "Ambiguous"


def read_thumos14(folder: Path, part: Part) -> Split:
    """Trained on the trimmed clips, tested on the untrimmed videos of `part` that have a class.

    Raises DataError for a missing or malformed list, and where no clip or no video is there.
    """
    labels = read_labels(folder / "splits", part)
    videos = {
        path.stem: path
        for path in (folder / part).glob("*")
        if path.suffix.lower() in VIDEO_SUFFIXES
    }
    test = [
        Clip(videos[name], classes[0], classes[1:])
        for name, classes in sorted(labels.items())
        if name in videos
    ]
    if not test:
        raise DataError(
            f"{folder / part} holds none of the {len(labels)} videos that the lists give a class: "
            "give the folder of the whole set."
        )
    missing = [
        f"{folder / part / name} is listed, but not there"
        for name in sorted(labels)
        if name not in videos
    ]
    return Split(tuple(read_folder(folder / "training")), tuple(test), tuple(missing))


def read_labels(splits: Path, part: Part) -> Mapping[str, tuple[str, ...]]:
    """Video -> its classes, sorted, for those videos that the lists give any."""
    whole = splits / f"{part}_classes.txt"
    labels: dict[str, set[str]] = defaultdict(set)
    if whole.is_file():
        for place, line in read_lines(whole):
            name, *classes = line.split()
            if not classes:
                raise malformed(place, line, "VIDEO CLASS [CLASS ...]")
            labels[name].update(classes)
    else:
        folder = splits / f"temporal_annotations_{part}"
        ending = _ENDING[part]
        lists = sorted(folder.glob(f"*{ending}"))
        if not lists:
            raise DataError(
                f"There is no list {folder}/CLASS{ending}: put the official lists there, as they "
                "were published."
            )
        for path in lists:
            for place, line in read_lines(path):
                if len(line.split()) != 3:
                    raise malformed(place, line, "VIDEO START END")
                labels[line.split()[0]].add(path.name.removesuffix(ending))
    return {
        name: tuple(sorted(classes - {_AMBIGUOUS}))
        for name, classes in labels.items()
        if classes - {_AMBIGUOUS}
    }
