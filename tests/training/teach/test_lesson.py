"""What can be taught, and the sentence for what can't."""

from pathlib import Path

import pytest

from training.errors import DataError
from training.teach.lesson import check_enough, check_name, read_lesson


def _clips(folder: Path, **names: str) -> Path:
    """Empty files CLASS/NAME.mp4: nothing here reads them."""
    for label, stems in names.items():
        (folder / label).mkdir(parents=True)
        for stem in stems.split():
            (folder / label / f"{stem}.mp4").touch()
    return folder


def test_idle_is_the_last_class_and_notes_say_what_may_be_wrong(tmp_path: Path) -> None:
    folder = _clips(tmp_path, wave="a b c d e", idle="f g h i j", jump="k l")
    (tmp_path / "stray.mp4").touch()
    (tmp_path / ".trash").mkdir()
    lesson = read_lesson(folder)
    assert lesson.classes == ("jump", "wave", "idle")
    assert [lesson.number(clip) for clip in lesson.clips] == [2] * 5 + [0] * 2 + [1] * 5
    check_enough(lesson)
    said = "\n".join(lesson.notes)
    assert "1 videos lie beside" in said
    assert "taken for a recording of its own" in said
    assert "jump has 2 clips only" in said


def test_sources_named_in_part_are_tested_whole(tmp_path: Path) -> None:
    folder = _clips(tmp_path / "clips", wave="a b c d", jump="e f g h")
    (tmp_path / "groups").write_text("a one\nb one\ne one\nghost one\n")
    (tmp_path / "test").write_text("wave/b.mp4\nh\n")
    lesson = read_lesson(folder, groups=tmp_path / "groups", test=tmp_path / "test")
    assert {clip.path.stem for clip in lesson.test} == {"a", "b", "e", "h"}
    assert {clip.path.stem for clip in lesson.clips} == {"c", "d", "f", "g"}
    said = "\n".join(lesson.notes)
    assert "5 clips are in no group" in said
    assert "1 clips of the groups are not here; first: ghost" in said


def test_kept_classes_come_first_and_idle_last(tmp_path: Path) -> None:
    new = _clips(tmp_path / "new", fight="a b")
    old = _clips(tmp_path / "old", walk="c d", idle="e")
    lesson = read_lesson(new, known=("walk", "run", "idle"), old=old)
    assert lesson.classes == ("walk", "run", "fight", "idle")
    assert len(lesson.clips) == 5
    check_enough(lesson)  # an old class may have no clip here, and fewer than two sources


@pytest.mark.parametrize(
    ("clips", "said"),
    [
        ({"wave": "a b", "jump": ""}, "jump holds no clips"),
        ({"wave": "a b"}, "one class only, 'wave', and there is nothing to tell it from"),
        ({"wave": "a b", " jump": "c d"}, "' jump' is no good as a name"),
        ({"wave": "a b", "j" * 61: "c d"}, "1 to 60 characters"),
        ({"wave": "a b", "a\nb": "c d"}, "must be printable"),
        ({}, "holds no clips"),
    ],
)
def test_folders_that_cannot_be_taught(tmp_path: Path, clips: dict[str, str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_lesson(_clips(tmp_path, **clips))


def test_a_class_of_one_source(tmp_path: Path) -> None:
    folder = _clips(tmp_path, wave="a b", jump="c")
    with pytest.raises(DataError, match="'jump' has 1 clip of 1 source to learn from"):
        check_enough(read_lesson(folder))


def test_classes_that_the_bundle_has_or_lacks(tmp_path: Path) -> None:
    new = _clips(tmp_path / "new", walk="a b")
    old = _clips(tmp_path / "old", swim="c d")
    with pytest.raises(DataError, match="'walk' is a class of the bundle already"):
        read_lesson(new, known=("walk", "run"), old=old)
    fresh = _clips(tmp_path / "fresh", fight="a b")
    with pytest.raises(DataError, match="'swim', which the bundle doesn't know"):
        read_lesson(fresh, known=("walk", "run"), old=old)


def test_tests_that_cannot_be(tmp_path: Path) -> None:
    folder = _clips(tmp_path / "clips", wave="a b", jump="c d")
    other = _clips(tmp_path / "other", wave="a")
    with pytest.raises(DataError, match="'a' has clips both to learn from and to test on"):
        read_lesson(folder, test=other)
    swim = _clips(tmp_path / "swim", swim="x")
    with pytest.raises(DataError, match="has the class 'swim'"):
        read_lesson(folder, test=swim)
    (tmp_path / "list").write_text("ghost\n")
    with pytest.raises(DataError, match="names 'ghost', which is no clip and no source here"):
        read_lesson(folder, test=tmp_path / "list")
    with pytest.raises(DataError, match="can't be read as a list of clips"):
        read_lesson(folder, test=tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["", " ", "a/b", "a\x07"])
def test_names_that_are_no_good(name: str) -> None:
    with pytest.raises(DataError, match=r"The bundle .* is no good as a name"):
        check_name(name, "The bundle")
