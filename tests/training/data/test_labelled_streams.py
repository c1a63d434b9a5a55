"""Streams and their truth: what is missing or contradicts itself is named."""

import json
from pathlib import Path

import pytest

from training.data.labelled_streams import Interval, read_idle, read_streams
from training.errors import DataError


def _write(folder: Path, name: str, *labels: str) -> None:
    """An empty video with a truth of one interval a label, or without one."""
    (folder / name).touch()
    if labels:
        intervals = [
            {"label": label, "start_tick": 10 * n, "end_tick": 10 * n + 10}
            for n, label in enumerate(labels)
        ]
        truth = {"seed": 1, "intervals": intervals}
        (folder / name).with_suffix(".json").write_text(json.dumps(truth), encoding="utf-8")


def test_a_stream_is_a_video_with_its_intervals(tmp_path: Path) -> None:
    _write(tmp_path, "b.avi", "walk")
    _write(tmp_path, "a.mp4", "idle", "wave")
    first, second = read_streams(tmp_path)
    assert first.clip.path.name == "a.mp4"
    assert first.intervals == (Interval("idle", 0, 10), Interval("wave", 10, 20))
    assert first.intervals[1].middle == 15
    assert second.intervals == (Interval("walk", 0, 10),)


def test_a_stream_without_truth_or_with_a_broken_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no video"):
        read_streams(tmp_path)
    _write(tmp_path, "a.mp4")
    with pytest.raises(DataError, match=r"a\.json"):
        read_streams(tmp_path)
    (tmp_path / "a.json").write_text('{"intervals": 3}', encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.json is not a stream's truth"):
        read_streams(tmp_path)


def test_idle_footage_needs_no_truth_but_must_not_contradict_it(tmp_path: Path) -> None:
    _write(tmp_path, "street.avi")
    _write(tmp_path, "room.mp4", "idle", "walk")
    clips = read_idle(tmp_path, ("idle", "walk"))
    assert [clip.path.name for clip in clips] == ["room.mp4", "street.avi"]
    with pytest.raises(DataError, match=r"room\.json.*'walk'"):
        read_idle(tmp_path, ("idle",))
