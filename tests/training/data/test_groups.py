"""Which clips share a source, as a user lists it."""

from pathlib import Path

import pytest

from training.data.annotations import Clip
from training.data.groups import groups_of, read_groups
from training.errors import DataError


def _read(tmp_path: Path, text: str) -> dict[str, str]:
    file = tmp_path / "groups.txt"
    file.write_text(text, encoding="utf-8")
    return read_groups(file)


def test_names_come_with_or_without_folder_and_suffix(tmp_path: Path) -> None:
    listed = _read(
        tmp_path, "# comment\n\nwave/one.mp4 https://x/?v=1\ntwo cam\nmy clip.MOV\tcam\nv1.5 cam\n"
    )
    assert listed == {"wave/one": "https://x/?v=1", "two": "cam", "my clip": "cam", "v1.5": "cam"}
    clips = [Clip(Path(f"wave/{name}.mp4"), "wave") for name in ("one", "two", "other")]
    assert groups_of(clips, listed) == ["https://x/?v=1", "cam", "other"]


def test_a_clip_of_two_groups_joins_them(tmp_path: Path) -> None:
    listed = _read(tmp_path, "a X\nb Y\nb X\nc Y\nd Z\n")
    assert listed["a"] == listed["b"] == listed["c"] != listed["d"]


def test_a_clip_listed_with_and_without_its_folder_joins_its_groups(tmp_path: Path) -> None:
    listed = _read(tmp_path, "fight/a.mp4 src1\na.mp4 src2\nb src2\nc src1\nfight/d src3\n")
    clips = [Clip(Path(f"fight/{name}.mp4"), "fight") for name in "abcd"]
    a, b, c, d = groups_of(clips, listed)
    assert a == b == c != d


def test_without_a_list_the_naming_of_hmdb51_tells() -> None:
    stems = ["film_run_f_cm_np1_ri_goo_0", "film_run_f_cm_np1_ri_goo_1", "other"]
    groups = groups_of([Clip(Path(f"run/{stem}.mp4"), "run") for stem in stems], {})
    assert groups[0] == groups[1] != groups[2]


def test_a_line_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 2 is not `NAME GROUP` but 'b'"):
        _read(tmp_path, "a X\nb\n")
    with pytest.raises(DataError, match="can't be read as a list of groups"):
        read_groups(tmp_path)
