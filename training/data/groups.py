"""Which clips were cut from one source video, by a list of lines `NAME GROUP`.

NAME is a clip's file name, with or without its folder and its suffix, and may hold blanks; GROUP
may not. Empty lines and lines that begin with # are skipped. A clip that is listed in two groups
joins them: both hold footage of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from training.data.annotations import VIDEO_SUFFIXES, Clip
from training.errors import DataError


def read_groups(path: Path) -> dict[str, str]:
    """Name of a clip (NAME or CLASS/NAME, without suffix) -> its group.

    Raises DataError for a file that can't be read, or a line that isn't `NAME GROUP`.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} can't be read as a list of groups ({error}): give a text file of lines "
            "`NAME GROUP`."
        ) from error
    pairs = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, group = line.strip().replace("\t", " ").rpartition(" ")
        if not name:
            raise DataError(f"{path} line {number} is not `NAME GROUP` but {line.strip()!r}.")
        pairs.append((plain_name(name.strip()), group))
    return _joined(pairs)


def plain_name(name: str) -> str:
    """A listed name without the suffix of a video; other dots are part of the name."""
    path = PurePosixPath(name)
    return str(path.with_suffix("")) if path.suffix.lower() in VIDEO_SUFFIXES else name


def groups_of(clips: Iterable[Clip], listed: Mapping[str, str]) -> list[str]:
    """The group of each clip: as listed, else by the naming of known sets, else its own name.

    Clips of one name in several classes then share a group, as cuts of one video often do.
    """
    return [listed.get(clip.key) or listed.get(clip.path.stem) or clip.group for clip in clips]


def _joined(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Name -> group, where groups that share a name have become one, named as the first."""
    first: dict[str, str] = {}  # name -> the group that it was listed in first
    same: dict[str, str] = {}  # group -> an older group that it is one with

    def oldest(group: str) -> str:
        while group in same:
            group = same[group]
        return group

    def join(group: str, another: str) -> None:
        one, other = oldest(group), oldest(another)
        if one != other:
            same[other] = one

    for name, group in pairs:
        join(first.setdefault(name, group), group)
    for name, group in first.items():  # CLASS/NAME is one of the clips that NAME names
        join(group, first.get(PurePosixPath(name).name, group))
    return {name: oldest(group) for name, group in first.items()}
