"""Which clips there are, what each shows, and which part of a split it belongs to.

Clips lie in one folder a class: FOLDER/CLASS/NAME.mp4. A set of JHMDB's layout also has one list a
class and split, CLASS_test_splitN.txt, of lines `NAME.avi 1|2` (1 train, 2 test).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.errors import DataError

VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm")
IDLE = "idle"

TRAIN, TEST = 1, 2  # as the official lists number them


@dataclass(frozen=True)
class Clip:
    """One labelled clip.

    label: what it shows. also: what else, in the untrimmed videos that show several actions.
    group: clips cut from one source video share it, and must never be on both sides of a fold.
    """

    path: Path
    label: str
    also: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        return (self.label, *self.also)

    @property
    def key(self) -> str:
        """The clip's name inside its set: CLASS/NAME."""
        return f"{self.label}/{self.path.stem}"

    @property
    def group(self) -> str:
        return source_group(self.path.stem)


# HMDB51's names end in visible body parts, camera motion, people, view, quality and a counter:
# NAME_ACTION_f_cm_np1_ri_goo_0. Clips of one source differ in these only.
_HMDB_TAIL = re.compile(r"(_[fulh]_(cm|nm)_np\d+_(fr|ba|le|ri)_(goo|med|bad))_\d+$")


def source_group(stem: str) -> str:
    """The source video of a clip's name, by HMDB51's naming; else the name itself."""
    return _HMDB_TAIL.sub("", stem)


def read_folder(folder: Path) -> list[Clip]:
    """All clips under FOLDER/CLASS/, sorted by class and name.

    Raises DataError where there is no such folder, or no clip in it.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}: give one that holds CLASS/*.mp4.")
    clips = [
        Clip(path, path.parent.name)
        for path in sorted(folder.glob("*/*"))
        if path.suffix.lower() in VIDEO_SUFFIXES
    ]
    if not clips:
        raise DataError(f"{folder} holds no clips: they belong in one folder a class, CLASS/*.mp4.")
    return clips


@dataclass(frozen=True)
class Split:
    """The clips of an official split."""

    train: tuple[Clip, ...]
    test: tuple[Clip, ...]


def read_split(videos: Path, splits: Path, number: int) -> Split:
    """JHMDB's layout: videos/CLASS/*.mp4, and splits/CLASS_test_split{number}.txt.

    Raises DataError for a missing or malformed list, and for a listed clip that isn't there.
    """
    clips = read_folder(videos)
    parts: dict[int, list[Clip]] = {TRAIN: [], TEST: []}
    for label in classes_of(clips):
        by_stem = {clip.path.stem: clip for clip in clips if clip.label == label}
        listed = _read_list(splits / f"{label}_test_split{number}.txt")
        for stem, part in listed.items():
            if stem not in by_stem:
                raise DataError(
                    f"{videos / label} lacks {stem}, which split {number} lists: "
                    "fetch the set again, whole."
                )
            if part in parts:  # 0: HMDB51 leaves a clip out of a split
                parts[part].append(by_stem[stem])
    return Split(tuple(parts[TRAIN]), tuple(parts[TEST]))


def classes_of(clips: Iterable[Clip]) -> tuple[str, ...]:
    """The labels in the order that models number them: sorted, `idle` last."""
    labels = {clip.label for clip in clips}
    return (*sorted(labels - {IDLE}), *sorted(labels & {IDLE}))


def check_known(clips: Sequence[Clip], classes: Sequence[str], folder: Path) -> None:
    """Raises DataError where a clip's class isn't one of `classes`."""
    unknown = sorted({clip.label for clip in clips} - set(classes))
    if unknown:
        raise DataError(
            f"{folder} has the class {unknown[0]!r}, which the recipe doesn't: "
            "add it to `classes`, or take the folder out."
        )


def _read_list(path: Path) -> dict[str, int]:
    """Stem -> 0, 1 or 2."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise DataError(f"There is no split list {path}: check `splits` in the recipe.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read as a split list ({error}).") from error
    listed: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, _, part = line.strip().rpartition(" ")
        if not name or part not in ("0", "1", "2"):
            raise DataError(
                f"{path} line {number} is not `NAME 1|2` but {line.strip()!r}: "
                "use the official list as it was published."
            )
        listed[Path(name.strip()).stem] = int(part)
    return listed
