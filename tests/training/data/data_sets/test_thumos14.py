"""THUMOS14: what the official lists hold, and videos of several actions."""

from pathlib import Path

import pytest

from training.data.data_sets.thumos14 import Part, read_labels, read_thumos14
from training.errors import DataError


@pytest.mark.parametrize(
    ("part", "videos", "several"),
    # 213 test videos have times, one of them ambiguous ones only.
    [("validation", 200, 27), ("test", 212, 34)],
)
def test_the_official_lists_give_their_videos_20_classes(
    data_dir: Path, part: Part, videos: int, several: int
) -> None:
    labels = read_labels(data_dir / "splits" / "thumos14", part)
    assert len(labels) == videos
    assert all(name.startswith(f"video_{part}_") for name in labels)
    assert len({label for classes in labels.values() for label in classes}) == 20
    assert sum(len(classes) > 1 for classes in labels.values()) == several


def _set(folder: Path) -> Path:
    times = folder / "splits" / "temporal_annotations_test"
    times.mkdir(parents=True)
    (times / "Diving_test.txt").write_text("video_test_0000002  1.0 2.5\nvideo_test_0000001  0 3\n")
    (times / "CliffDiving_test.txt").write_text("video_test_0000002  1.0 2.5\n")
    (times / "Ambiguous_test.txt").write_text(
        "video_test_0000001  5.0 6.0\nvideo_test_0000003  5.0 6.0\n"
    )
    for name in ("training/Diving/v_Diving_g01_c01.avi", "test/video_test_0000002.mp4"):
        path = folder / name
        path.parent.mkdir(parents=True)
        path.touch()
    return folder


def test_untrimmed_videos_have_all_their_classes_and_missing_ones_are_named(tmp_path: Path) -> None:
    split = read_thumos14(_set(tmp_path), "test")
    assert [clip.key for clip in split.train] == ["Diving/v_Diving_g01_c01"]
    (clip,) = split.test
    assert clip.labels == ("CliffDiving", "Diving")
    (sentence,) = split.left_out  # the third is ambiguous only, so it has no class
    assert "video_test_0000001" in sentence


def test_a_list_of_all_classes_is_taken_instead(tmp_path: Path) -> None:
    folder = _set(tmp_path)
    (folder / "splits" / "test_classes.txt").write_text("video_test_0000002 YoYo Archery\n")
    (clip,) = read_thumos14(folder, "test").test
    assert clip.labels == ("Archery", "YoYo")
    (folder / "splits" / "test_classes.txt").write_text("video_test_0000002\n")
    with pytest.raises(DataError, match=r"test_classes\.txt line 1"):
        read_thumos14(folder, "test")


def test_missing_lists_and_videos_get_a_sentence(tmp_path: Path) -> None:
    folder = _set(tmp_path)
    with pytest.raises(DataError, match="temporal_annotations_validation"):
        read_thumos14(folder, "validation")
    (folder / "test" / "video_test_0000002.mp4").unlink()
    with pytest.raises(DataError, match="none of the 2 videos"):
        read_thumos14(folder, "test")
    times = folder / "splits" / "temporal_annotations_test" / "Diving_test.txt"
    times.write_text("video_test_0000002 1.0\n")
    with pytest.raises(DataError, match=r"Diving_test\.txt line 1"):
        read_thumos14(folder, "test")
