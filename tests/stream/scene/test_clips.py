"""Clips on disk: what is in the folders is what the labels say, and it decodes."""

import csv
import json
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from stream.errors import ConfigError, PublishError
from stream.scene import IDLE, Scene
from stream.scene.clips import write_clips, write_stream

SIZE = (160, 120)


def _decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]


def test_clips_lie_in_their_labels_folder_and_show_that_interval(tmp_path: Path) -> None:
    labels = ("jump", IDLE)
    clips = write_clips(
        tmp_path, clips_per_label=2, first_seed=50, labels=labels, size=SIZE, show_progress=False
    )
    assert [c.label for c in clips] == ["jump", "jump", IDLE, IDLE]
    assert [c.seed for c in clips] == [50, 51, 52, 53]
    for clip in clips:
        assert clip.path == tmp_path / clip.label / f"scene_{clip.seed:07d}_{clip.seed % 2:02d}.mp4"
        images = _decoded(clip.path)
        assert len(images) == clip.frames
        assert 24 <= clip.frames <= 45
        performed = ("jump",) if clip.label == "jump" else ()
        scene = Scene(clip.seed, *SIZE, **({"labels": performed} if performed else {}))
        drawn = list(scene.frames(range(clip.first_tick, clip.first_tick + clip.frames)))
        assert {f.label for f in drawn} == {clip.label}
        assert np.abs(images[5].astype(int) - drawn[5].image).mean() < 12  # lossy, but the same


def test_labels_csv_lists_the_run(tmp_path: Path) -> None:
    clips = write_clips(
        tmp_path, clips_per_label=1, labels=("wave", "sit"), size=SIZE, show_progress=False
    )
    with (tmp_path / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [f"{c.label}/{c.path.name}" for c in clips]
    assert [int(row["frames"]) for row in rows] == [c.frames for c in clips]


def test_a_stream_has_its_truth_beside_it(tmp_path: Path) -> None:
    truth_path = write_stream(
        tmp_path / "long.mp4", seed=3, duration_s=6.0, size=SIZE, show_progress=False
    )
    truth = json.loads(truth_path.read_text())
    assert truth_path == tmp_path / "long.json"
    assert truth["size"] == list(SIZE)
    assert truth["intervals"][-1]["end_tick"] == 150 == len(_decoded(tmp_path / "long.mp4"))
    expected = [i.label for i in islice(Scene(3).intervals(), len(truth["intervals"]))]
    assert [i["label"] for i in truth["intervals"]] == expected


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"clips_per_label": 0}, "0 clips for each label is too few"),
        ({"clips_per_label": 1, "labels": ()}, "no label is given"),
        ({"clips_per_label": 1, "labels": ("swim",)}, "can't perform swim"),
        ({"clips_per_label": 1, "size": (10, 10)}, "scene size 10x10 can't be drawn"),
    ],
)
def test_bad_wishes_get_a_sentence_and_write_nothing(
    tmp_path: Path, arguments: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        write_clips(tmp_path / "out", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PublishError, match=r"can't be written: .*; choose another folder"):
        write_clips(tmp_path / "file" / "out", clips_per_label=1, show_progress=False)
    with pytest.raises(PublishError, match="can't be written"):
        write_stream(tmp_path / "file" / "a.mp4", seed=1, duration_s=1.0, show_progress=False)


@pytest.mark.parametrize("duration_s", [0.0, -5.0, float("inf"), float("nan")])
def test_a_stream_that_can_not_last_so_long_gets_a_sentence(
    tmp_path: Path, duration_s: float
) -> None:
    with pytest.raises(ConfigError, match="a stream can't last"):
        write_stream(tmp_path / "a.mp4", seed=1, duration_s=duration_s)


def test_clips_are_whole_where_nobody_reads_the_output(tmp_path: Path) -> None:
    arguments = ["--out", str(tmp_path), "--clips", "1", "--label", "walk", "--size", "64x64"]
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "stream.cli", "scene", *arguments]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "labels.csv").read_text().count("walk") >= 1
