"""UCF101's lists: whole, with their published sizes; a sentence for each that is not."""

from pathlib import Path

import pytest

from training.data.annotations import source_group
from training.data.data_sets.ucf101 import read_classes, read_lists, read_ucf101
from training.errors import DataError


@pytest.mark.parametrize(
    ("number", "train", "test"), [(1, 9537, 3783), (2, 9586, 3734), (3, 9624, 3696)]
)
def test_the_official_lists_have_their_published_sizes(
    data_dir: Path, number: int, train: int, test: int
) -> None:
    splits = data_dir / "splits" / "ucf101"
    assert sorted(read_classes(splits / "classInd.txt").values()) == list(range(1, 102))
    trained, tested = read_lists(splits, number)
    assert (len(trained), len(tested)) == (train, test)
    stems = {entry.stem for entry in (*trained, *tested)}
    assert len(stems) == 13320
    for part in (trained, tested):
        assert len({entry.label for entry in part}) == 101
    # The groups, 25 a class, are the sources; no split tears one apart.
    groups = [{source_group(entry.stem) for entry in part} for part in (trained, tested)]
    assert not groups[0] & groups[1]
    assert len(groups[0] | groups[1]) == 25 * 101


def _set(folder: Path, train: str, test: str) -> Path:
    splits = folder / "splits"
    splits.mkdir(parents=True)
    (splits / "classInd.txt").write_bytes(b"1 Archery\r\n2 Handstand\r\n\r\n")
    (splits / "trainlist01.txt").write_text(train)
    (splits / "testlist01.txt").write_text(test)
    for name in ("Archery/v_Archery_g08_c01", "Handstand/v_HandStand_g01_c02"):
        path = folder / "videos" / f"{name}.avi"
        path.parent.mkdir(parents=True)
        path.touch()
    return folder


def test_a_small_set(tmp_path: Path) -> None:
    train = "Archery/v_Archery_g08_c01.avi 1\nArchery/v_Archery_g08_c02.avi 1\n"
    split = read_ucf101(_set(tmp_path, train, "Handstand/v_HandStand_g01_c02.avi\n"), 1)
    assert [clip.key for clip in split.train] == ["Archery/v_Archery_g08_c01"]
    assert [clip.key for clip in split.test] == ["Handstand/v_HandStand_g01_c02"]
    (sentence,) = split.left_out
    assert "v_Archery_g08_c02" in sentence


@pytest.mark.parametrize(
    "line",
    [
        "Archery/v_Archery_g08_c01.avi 2",  # another class's number
        "Cooking/v_Cooking_g08_c01.avi 1",  # no such class
        "v_Archery_g08_c01.avi 1",
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str) -> None:
    folder = _set(tmp_path, f"\n{line}\n", "")
    with pytest.raises(DataError, match=r"trainlist01\.txt line 2"):
        read_ucf101(folder, 1)
