"""The history: what each stage and stream wrote, each line once, whatever happened in between."""

import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from training.errors import OutputError
from training.history import Curve


def write(folder: Path, iterations: list[int], *, after: int = 0, stream: str = "rgb") -> None:
    with Curve(folder, "stage1", stream, after=after) as curve:
        for iteration in iterations:
            curve.add(phase=1, epoch=iteration, iteration=iteration, loss=1 / iteration, right=0.5)


def iterations(folder: Path, stream: str) -> list[int]:
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [line["iteration"] for line in lines if line["stream"] == stream]


def test_going_on_drops_what_came_after_the_checkpoint_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, [1, 2, 3], stream="flow")
    write(tmp_path, [1, 2, 3])
    write(tmp_path, [3, 4], after=2)
    assert iterations(tmp_path, "rgb") == [1, 2, 3, 4]
    assert iterations(tmp_path, "flow") == [1, 2, 3]


def test_half_a_line_of_a_killed_process_goes(tmp_path: Path) -> None:
    write(tmp_path, [1, 2])
    with (tmp_path / "history.jsonl").open("a") as file:
        file.write('{"stage": "stage1", "stre')
    write(tmp_path, [3], after=2)
    assert iterations(tmp_path, "rgb") == [1, 2, 3]


def test_tensorboard_has_the_same_numbers_by_iteration(tmp_path: Path) -> None:
    write(tmp_path, [1, 2, 3])
    write(tmp_path, [3, 4], after=2)
    events = EventAccumulator(str(tmp_path / "tensorboard" / "stage1-rgb"))
    events.Reload()
    assert sorted(events.Tags()["scalars"]) == ["loss", "right"]
    losses = {event.step: event.value for event in events.Scalars("loss")}
    assert losses == pytest.approx({1: 1.0, 2: 1 / 2, 3: 1 / 3, 4: 1 / 4})


def test_without_a_folder_nothing_is_written() -> None:
    with Curve(None, "stage2", "rgb") as curve:
        curve.add(iteration=1, loss=1.0)


def test_a_folder_that_cannot_be_written_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"history.jsonl can't be written"):
        Curve(tmp_path / "file", "stage1", "rgb")
