"""Clips and splits: the official lists whole, and a sentence for each that is not."""

from pathlib import Path

import pytest

from training.data.annotations import Clip, check_known, classes_of, read_folder, read_split
from training.errors import DataError


@pytest.mark.parametrize(("number", "train", "test"), [(1, 660, 268), (2, 658, 270), (3, 663, 265)])
def test_the_official_splits_have_their_published_sizes(
    data_dir: Path, number: int, train: int, test: int
) -> None:
    folder = data_dir / "jhmdb"
    split = read_split(folder / "videos", folder / "splits", number)
    assert (len(split.train), len(split.test)) == (train, test)
    assert len(classes_of(split.train)) == 21
    # JHMDB's splits keep the clips of one source video together.
    assert not {clip.group for clip in split.train} & {clip.group for clip in split.test}


def test_clips_of_one_source_share_their_group() -> None:
    first = Clip(Path("catch/Ballfangen_catch_u_cm_np1_fr_goo_0.mp4"), "catch")
    second = Clip(Path("catch/Ballfangen_catch_u_cm_np1_fr_goo_2.mp4"), "catch")
    other = Clip(Path("catch/Frisbee_catch_f_cm_np1_ri_med_0.mp4"), "catch")
    assert first.group == second.group != other.group


def _set(folder: Path, lines: str) -> tuple[Path, Path]:
    videos, splits = folder / "videos", folder / "splits"
    for name in ("one", "two"):
        (videos / "walk").mkdir(parents=True, exist_ok=True)
        (videos / "walk" / f"{name}.mp4").touch()
    splits.mkdir()
    (splits / "walk_test_split1.txt").write_text(lines)
    return videos, splits


def test_names_with_spaces_and_left_out_clips(tmp_path: Path) -> None:
    videos, splits = _set(tmp_path, "one.avi 1\n\ntwo.avi 0\n")
    split = read_split(videos, splits, 1)
    assert [clip.key for clip in split.train] == ["walk/one"]
    assert split.test == ()


@pytest.mark.parametrize("line", ["one.avi", "one.avi 3", "one.avi,1"])
def test_a_malformed_line_is_named(tmp_path: Path, line: str) -> None:
    videos, splits = _set(tmp_path, f"two.avi 1\n{line}\n")
    with pytest.raises(DataError, match=r"walk_test_split1.txt line 2"):
        read_split(videos, splits, 1)


def test_a_listed_clip_that_is_missing_is_named(tmp_path: Path) -> None:
    videos, splits = _set(tmp_path, "three.avi 1\n")
    with pytest.raises(DataError, match="three"):
        read_split(videos, splits, 1)


def test_missing_folders_lists_and_clips_get_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no clips"):
        read_folder(tmp_path)
    videos, splits = _set(tmp_path, "one.avi 1\n")
    with pytest.raises(DataError, match="no split list"):
        read_split(videos, splits, 2)


def test_idle_is_the_last_class_and_unknown_ones_are_refused(tmp_path: Path) -> None:
    clips = [Clip(Path(f"{label}/a.mp4"), label) for label in ("wave", "idle", "clap")]
    assert classes_of(clips) == ("clap", "wave", "idle")
    check_known(clips, ("clap", "wave", "idle"), tmp_path)
    with pytest.raises(DataError, match="'idle'"):
        check_known(clips, ("clap", "wave"), tmp_path)
