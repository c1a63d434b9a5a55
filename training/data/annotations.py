"""What a clip is, and how the clips of a set are found: VIDEOS/CLASS/NAME.*."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from training.errors import DataError

VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm")
IDLE = "idle"


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


@dataclass(frozen=True)
class Entry:
    """A clip as an official list names it: `stem` is its file's name without the suffix."""

    label: str
    stem: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Split:
    """The clips of a set to train and to test on. left_out: a sentence on what can't be used."""

    train: tuple[Clip, ...]
    test: tuple[Clip, ...]
    left_out: tuple[str, ...] = ()


# HMDB51's names end in visible body parts, camera motion, people, view, quality and a counter:
# NAME_ACTION_f_cm_np1_ri_goo_0. Clips of one source differ in these only.
_HMDB_TAIL = re.compile(r"(_[fulh]_(cm|nm)_np\d+_(fr|ba|le|ri)_(goo|med|bad))_\d+$")
# UCF101's are v_CLASS_g01_c01: clip 1 of group 1 of the class.
_UCF_TAIL = re.compile(r"(_g\d\d)_c\d\d$")


def source_group(stem: str) -> str:
    """The source video of a clip's name, by HMDB51's or UCF101's naming; else the name itself."""
    return _UCF_TAIL.sub(r"\1", _HMDB_TAIL.sub("", stem))


def read_folder(folder: Path) -> list[Clip]:
    """All clips under FOLDER/CLASS/, sorted by class and name.

    Raises DataError where there is no such folder, no clip in it, or two of one name.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}: give one that holds CLASS/*.mp4.")
    clips = [
        Clip(path, label.name)
        for label in sorted(folder.iterdir())
        if label.is_dir()
        for path in _videos(label).values()
    ]
    if not clips:
        raise DataError(f"{folder} holds no clips: they belong in one folder a class, CLASS/*.mp4.")
    return clips


def find_clips(folder: Path, entries: Sequence[Entry]) -> tuple[list[Clip], list[str]]:
    """The entries of a list as clips FOLDER/CLASS/NAME.*, and a sentence on each that is missing.

    Raises DataError where none is there.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}: it holds the videos, CLASS/NAME.avi.")
    videos = {label: _videos(folder / label) for label in {entry.label for entry in entries}}
    clips: list[Clip] = []
    missing: list[str] = []
    for entry in entries:
        path = videos[entry.label].get(entry.stem)
        if path is None:
            missing.append(f"{folder / entry.label / entry.stem} is listed, but not there")
        else:
            clips.append(Clip(path, entry.label, entry.also))
    if entries and not clips:
        raise DataError(
            f"{folder} holds none of the {len(entries)} clips that the lists name, such as "
            f"{entries[0].label}/{entries[0].stem}: give the folder of the whole set."
        )
    return clips, missing


def classes_of(clips: Iterable[Clip]) -> tuple[str, ...]:
    """The labels in the order that models number them: sorted, `idle` last."""
    labels = {clip.label for clip in clips}
    return (*sorted(labels - {IDLE}), *sorted(labels & {IDLE}))


def with_known_classes(split: Split, classes: Sequence[str]) -> Split:
    """The split without the classes that aren't in `classes`, and a sentence on each of those.

    A clip that shows known classes as well keeps those.
    """
    unknown: dict[str, list[Path]] = defaultdict(list)

    def known(clips: Sequence[Clip]) -> Iterator[Clip]:
        for clip in clips:
            labels = [label for label in clip.labels if label in classes]
            for label in clip.labels:
                if label not in classes:
                    unknown[label].append(clip.path)
            if labels:
                yield replace(clip, label=labels[0], also=tuple(labels[1:]))

    train, test = tuple(known(split.train)), tuple(known(split.test))
    kept = {clip.path for clip in (*train, *test)}
    sentences = []
    for label, paths in sorted(unknown.items()):
        others = sum(path in kept for path in paths)
        sentences.append(
            f"{len(paths)} clips of the class {label!r}, which the recipe doesn't have "
            f"({paths[0]} ...)"
            + (f"; {others} of them stay for their other classes" if others else "")
        )
    return Split(train, test, (*split.left_out, *sentences))


def read_lines(path: Path) -> list[tuple[str, str]]:
    """The lines of an official list that aren't empty, each with its place to name in an error.

    Raises DataError where the list can't be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise DataError(
            f"There is no list {path}: put the official lists there, as they were published."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read as a list ({error}).") from error
    return [
        (f"{path} line {number}", line.strip())
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]


def malformed(place: str, line: str, form: str) -> DataError:
    """A line of a list that isn't of its form."""
    return DataError(
        f"{place} is not `{form}` but {line!r}: use the official list as it was published."
    )


def _videos(folder: Path) -> dict[str, Path]:
    """Name without suffix -> video, sorted. Raises DataError where two share a name."""
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*")):
        if path.suffix.lower() not in VIDEO_SUFFIXES:
            continue
        if path.stem in found:
            raise DataError(f"{path} and {found[path.stem].name} have one name: rename one.")
        found[path.stem] = path
    return found
