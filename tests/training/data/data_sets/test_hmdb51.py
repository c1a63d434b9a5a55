"""The lists of HMDB51 and JHMDB: whole, with their published sizes; a sentence for what is not."""

from pathlib import Path

import pytest

from training.data.annotations import classes_of
from training.data.data_sets.hmdb51 import read_class_lists, read_hmdb51
from training.errors import DataError


@pytest.mark.parametrize("number", [1, 2, 3])
def test_hmdb51s_official_lists_have_their_published_sizes(data_dir: Path, number: int) -> None:
    train, test = read_class_lists(data_dir / "splits" / "hmdb51", number)
    assert (len(train), len(test)) == (3570, 1530)
    for part, of_each in ((train, 70), (test, 30)):
        labels = [entry.label for entry in part]
        assert len(set(labels)) == 51
        assert {labels.count(label) for label in labels} == {of_each}
    assert not {(e.label, e.stem) for e in train} & {(e.label, e.stem) for e in test}


@pytest.mark.parametrize(("number", "train", "test"), [(1, 660, 268), (2, 658, 270), (3, 663, 265)])
def test_jhmdbs_official_splits_have_their_published_sizes(
    data_dir: Path, number: int, train: int, test: int
) -> None:
    split = read_hmdb51(data_dir / "jhmdb", number)
    assert (len(split.train), len(split.test), split.left_out) == (train, test, ())
    assert len(classes_of(split.train)) == len(classes_of(split.test)) == 21
    # JHMDB's splits keep the clips of one source video together.
    assert not {clip.group for clip in split.train} & {clip.group for clip in split.test}


def _set(folder: Path, lines: str) -> Path:
    for name in ("one", "two (3) [x]"):
        (folder / "videos" / "walk").mkdir(parents=True, exist_ok=True)
        (folder / "videos" / "walk" / f"{name}.mp4").touch()
    (folder / "splits").mkdir()
    (folder / "splits" / "walk_test_split1.txt").write_text(lines)
    return folder


def test_odd_names_and_clips_that_are_in_neither_part(tmp_path: Path) -> None:
    split = read_hmdb51(_set(tmp_path, "one.avi 0 \n\ntwo (3) [x].avi 2 \n"), 1)
    assert split.train == ()
    assert [clip.key for clip in split.test] == ["walk/two (3) [x]"]


@pytest.mark.parametrize("line", ["one.avi", "one.avi 3", "one.avi,1"])
def test_a_malformed_line_is_named(tmp_path: Path, line: str) -> None:
    folder = _set(tmp_path, f"one.avi 1\n{line}\n")
    with pytest.raises(DataError, match=r"walk_test_split1\.txt line 2"):
        read_hmdb51(folder, 1)


def test_missing_clips_are_named_and_missing_lists_refused(tmp_path: Path) -> None:
    folder = _set(tmp_path, "one.avi 1\nthree.avi 1\n")
    split = read_hmdb51(folder, 1)
    assert [clip.key for clip in split.train] == ["walk/one"]
    (sentence,) = split.left_out
    assert str(folder / "videos" / "walk" / "three") in sentence
    with pytest.raises(DataError, match=r"CLASS_test_split2\.txt"):
        read_hmdb51(folder, 2)
