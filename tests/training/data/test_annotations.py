"""Clips by folder and by list; what a recipe doesn't know, and what isn't there, is named."""

from pathlib import Path

import pytest

from training.data.annotations import (
    Clip,
    Entry,
    Split,
    classes_of,
    find_clips,
    read_folder,
    source_group,
    with_known_classes,
)
from training.errors import DataError


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize(
    ("stem", "group"),
    [
        ("Ballfangen_catch_u_cm_np1_fr_goo_0", "Ballfangen_catch"),
        ("v_Archery_g07_c03", "v_Archery_g07"),
        ("video_test_0000004", "video_test_0000004"),
        ("my_g1_c03", "my_g1_c03"),
    ],
)
def test_clips_of_one_source_share_their_group(stem: str, group: str) -> None:
    assert source_group(stem) == group


def test_a_folder_a_class(tmp_path: Path) -> None:
    _touch(tmp_path, "wave/b.MP4", "wave/a.avi", "clap/c d.webm", "clap/notes.txt", "loose.mp4")
    clips = read_folder(tmp_path)
    assert [clip.key for clip in clips] == ["clap/c d", "wave/a", "wave/b"]


def test_folders_that_hold_no_clips_get_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no clips"):
        read_folder(tmp_path)
    with pytest.raises(DataError, match="no folder"):
        find_clips(tmp_path / "nowhere", [])


def test_two_clips_of_one_name_are_refused(tmp_path: Path) -> None:
    _touch(tmp_path, "wave/a.avi", "wave/a.mp4")
    with pytest.raises(DataError, match=r"a\.mp4 and a\.avi"):
        read_folder(tmp_path)


def test_listed_clips_are_found_by_name_and_missing_ones_are_named(tmp_path: Path) -> None:
    _touch(tmp_path, "wave/a.mp4", "wave/unlisted.mp4")
    clips, missing = find_clips(
        tmp_path, [Entry("wave", "a"), Entry("wave", "b"), Entry("clap", "c")]
    )
    assert [clip.path.name for clip in clips] == ["a.mp4"]
    assert [sentence.split()[0] for sentence in missing] == [
        str(tmp_path / "wave" / "b"),
        str(tmp_path / "clap" / "c"),
    ]
    with pytest.raises(DataError, match=r"none of the 1 clips.*clap/c"):
        find_clips(tmp_path, [Entry("clap", "c")])


def test_classes_are_sorted_with_idle_last() -> None:
    clips = [Clip(Path(f"{label}/a.mp4"), label) for label in ("wave", "idle", "clap")]
    assert classes_of(clips) == ("clap", "wave", "idle")


def test_a_class_that_the_recipe_lacks_is_left_out_and_named_once() -> None:
    train = tuple(Clip(Path(f"dance/{n}.mp4"), "dance") for n in range(3))
    test = (
        Clip(Path("wave/a.mp4"), "wave", ("clap",)),
        Clip(Path("b.mp4"), "dance", ("clap", "wave")),
    )
    split = with_known_classes(Split(train, test, ("before",)), ("clap", "wave"))
    assert split.train == ()
    assert [clip.labels for clip in split.test] == [("wave", "clap"), ("clap", "wave")]
    before, sentence = split.left_out
    assert before == "before"
    assert sentence.startswith("4 clips of the class 'dance', which the recipe doesn't have")
    assert sentence.endswith("; 1 of them stay for their other classes")


def test_an_unknown_class_of_a_video_that_shows_a_known_one_too_is_counted() -> None:
    videos = (
        Clip(Path("a.mp4"), "dance", ("wave",)),
        Clip(Path("b.mp4"), "wave", ("dance", "sit")),
        Clip(Path("c.mp4"), "dance"),
    )
    split = with_known_classes(Split((), videos), ("clap", "wave"))
    assert [clip.labels for clip in split.test] == [("wave",), ("wave",)]
    dance, sit = split.left_out
    assert dance.startswith("3 clips of the class 'dance'")
    assert dance.endswith("; 2 of them stay for their other classes")
    assert sit.startswith("1 clips of the class 'sit'")
    assert sit.endswith("; 1 of them stay for their other classes")
