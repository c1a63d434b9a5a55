"""What is to be taught: the clips, their classes and sources, and those left for a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.data.annotations import IDLE, VIDEO_SUFFIXES, Clip, classes_of, read_folder
from training.data.groups import groups_of, plain_name, read_groups
from training.errors import DataError

FEWEST = 5  # clips of a class; with fewer it goes on, and says so
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Lesson:
    """classes: of the new bundle, in its order. known: those that the old bundle's head tells.

    clips: to learn from, of new classes and, where the known ones are kept, of those. test: never
    learnt from. group: of each clip of either. notes: what the user should know about them.
    """

    classes: tuple[str, ...]
    known: tuple[str, ...]
    clips: tuple[Clip, ...]
    test: tuple[Clip, ...]
    group: Mapping[Clip, str]
    notes: tuple[str, ...] = ()

    def number(self, clip: Clip) -> int:
        return self.classes.index(clip.label)


def read_lesson(
    folder: Path,
    *,
    known: Sequence[str] = (),
    old: Path | None = None,
    groups: Path | None = None,
    test: Path | None = None,
) -> Lesson:
    """Read CLASS/*.mp4 below `folder`, and below `old` clips of the `known` classes to be kept.

    groups: a file for `read_groups`. test: a folder like the first, or a text file that names
    clips or sources of the first, one a line; a source that is named in part is taken whole.

    Raises DataError for whatever can't be taught, with a sentence that says why.
    """
    new = _read_classes(folder)
    labels = classes_of(new)
    for label in labels:
        if label in known:
            raise DataError(
                f"{label!r} is a class of the bundle already: put its clips into the folder after "
                "--keep-classes, or give the new class another name."
            )
    if not known and len(labels) == 1:
        raise DataError(
            f"{folder} has one class only, {labels[0]!r}, and there is nothing to tell it from: "
            f"add a folder of another class, or {folder / IDLE} with clips in which nothing "
            "happens."
        )
    clips = [*new, *(_read_old(old, known) if old is not None else ())]
    listed = read_groups(groups) if groups is not None else {}
    tested: list[Clip] = []
    if test is not None and test.is_dir():
        tested = _read_classes(test)
        unknown = sorted({clip.label for clip in tested} - {*known, *labels})
        if unknown:
            raise DataError(f"{test} has the class {unknown[0]!r}, which {folder} doesn't.")
    group = dict(zip([*clips, *tested], groups_of([*clips, *tested], listed), strict=True))
    if test is not None and not test.is_dir():
        tested = _named(clips, group, test)
        clips = [clip for clip in clips if clip not in set(tested)]
    if both := sorted({group[clip] for clip in clips} & {group[clip] for clip in tested}):
        raise DataError(
            f"The source {both[0]!r} has clips both to learn from and to test on: leave its clips "
            "on one side."
        )
    return Lesson(
        classes=classes_of(clips) if not known else _together(known, labels),
        known=tuple(known),
        clips=tuple(clips),
        test=tuple(tested),
        group=group,
        notes=tuple(_notes(folder, [*clips, *tested], listed)),
    )


def check_enough(lesson: Lesson) -> None:
    """Raises DataError where a new class, or all of the old ones, can't be held out by source."""
    for label in lesson.classes:
        clips = [clip for clip in lesson.clips if clip.label == label]
        sources = {lesson.group[clip] for clip in clips}
        if len(sources) < 2 and label not in lesson.known:
            raise DataError(
                f"The class {label!r} has {len(clips)} clip{'s' * (len(clips) != 1)} of "
                f"{len(sources)} source{'s' * (len(sources) != 1)} to learn from, and the accuracy "
                "on unseen sources takes two at least: add clips from another recording."
            )


def _together(known: Sequence[str], new: Sequence[str]) -> tuple[str, ...]:
    """Old classes, then new ones, `idle` last."""
    names = [*known, *new]
    return (*(name for name in names if name != IDLE), *(name for name in names if name == IDLE))


def _read_classes(folder: Path) -> list[Clip]:
    clips = [clip for clip in read_folder(folder) if not clip.label.startswith(".")]
    for path in sorted(folder.iterdir()):
        if not path.is_dir() or path.name.startswith("."):
            continue
        if not any(clip.label == path.name for clip in clips):
            raise DataError(
                f"{path} holds no clips ({', '.join(VIDEO_SUFFIXES)}): add some, or remove it."
            )
        check_name(path.name, "The class")
    return clips


def check_name(name: str, what: str) -> None:
    """Raises DataError for a name that messages and screens couldn't show."""
    if not name.strip() or name != name.strip() or len(name) > _LONGEST_NAME:
        problem = f"must have 1 to {_LONGEST_NAME} characters, and no blank at either end"
    elif not name.isprintable() or "/" in name:
        problem = "must be printable and without a slash"
    else:
        return
    raise DataError(f"{what} {name!r} is no good as a name: it {problem}. Rename it.")


def _read_old(folder: Path, known: Sequence[str]) -> list[Clip]:
    clips = _read_classes(folder)
    unknown = sorted({clip.label for clip in clips} - set(known))
    if unknown:
        raise DataError(
            f"{folder} has the class {unknown[0]!r}, which the bundle doesn't know: its classes "
            f"are {', '.join(known)}."
        )
    return clips


def _named(clips: Sequence[Clip], group: Mapping[Clip, str], path: Path) -> list[Clip]:
    """The clips of every source that a text file names, by its own name or one of its clips'."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} can't be read as a list of clips to test on ({error}): give a folder, or a "
            "text file with one clip or source a line."
        ) from error
    names = {plain_name(line.strip()) for line in lines if line.strip()}
    named: dict[str, set[str]] = {}
    for clip in clips:
        for name in (clip.key, clip.path.stem, group[clip]):
            named.setdefault(name, set()).add(group[clip])
    if unknown := sorted(names - set(named)):
        raise DataError(f"{path} names {unknown[0]!r}, which is no clip and no source here.")
    chosen = {source for name in names for source in named[name]}
    return [clip for clip in clips if group[clip] in chosen]


def _notes(folder: Path, clips: Sequence[Clip], listed: Mapping[str, str]) -> list[str]:
    notes = []
    beside = [path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES]
    if beside:
        notes.append(f"{len(beside)} videos lie beside the class folders and are left out")
    unlisted = [clip for clip in clips if not {clip.key, clip.path.stem} & listed.keys()]
    if listed and unlisted:
        notes.append(
            f"{len(unlisted)} clips are in no group, and only their names tell which belong "
            f"together; first: {unlisted[0].key}"
        )
    there = {name for clip in clips for name in (clip.key, clip.path.stem)}
    if absent := sorted(listed.keys() - there):
        notes.append(f"{len(absent)} clips of the groups are not here; first: {absent[0]}")
    if not listed and all(clip.group == clip.path.stem for clip in clips):
        notes.append(
            "every clip is taken for a recording of its own: where several were cut from one, "
            "say so with --groups, or the accuracy will look better than it is"
        )
    for label in classes_of(clips):
        count = sum(clip.label == label for clip in clips)
        if count < FEWEST:
            notes.append(f"{label} has {count} clips only: {FEWEST} or more are better")
    return notes
