"""A whole run on a few drawn clips: from files to a bundle, stopped and gone on with."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engine.bundle import Bundle
from tests.training.data.clips import write_clip
from training.cli import main
from training.commands import find_recipe
from training.evaluation.results import read_metrics
from training.progress import Progress
from training.run import Run
from training.steps import stage1

RECIPE = """
classes = ["left", "right"]
[sets.clips]
layout = "folder"
[sets.unseen]
layout = "folder"
use = "test"
[sets.streams]
layout = "streams"
use = "test"
[sets.held_out]
layout = "streams"
use = "calibrate"
[prepared]
size = [64, 48]
[model]
input_size = 32
hidden_width = 4
frames_per_segment = 3
[[stage1.rgb]]
draw = { clips = 4 }
epochs = 2
learning_rate = 1e-3
side = 32
batch = 4
micro_batch = 2
[[stage1.flow]]
draw = { clips = 4 }
epochs = 1
learning_rate = 1e-3
side = 32
batch_norm = "trained"
[[stage1.flow]]
draw = { clips = 2 }
epochs = 1
learning_rate = 1e-3
side = 32
[stage2]
draw = { clips = 1 }
iterations = 3
step_every = 2
batch = 4
folds = 2
[bundle]
name = "tiny"
version = "1"
licence = "Apache-2.0"
attribution = ["drawn"]
"""

SETS = ("clips", "unseen", "streams", "held_out")


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """RECIPE and options of `gesta-train` for a run in tmp_path, its data written there."""
    (tmp_path / "tiny.toml").write_text(RECIPE, encoding="utf-8")
    for label, step_px in (("left", -3), ("right", 3)):
        for index in range(3):
            write_clip(tmp_path / "clips" / label / f"{index}.mp4", frames=10, step_px=step_px)
        write_clip(tmp_path / "unseen" / label / "0.mp4", frames=7, step_px=2 * step_px)
    (tmp_path / "clips" / "left" / "damaged.mp4").write_text("no video")
    truth = {
        "seed": 1,
        "intervals": [
            {"label": "left", "start_tick": 0, "end_tick": 6},  # middle before the window is full
            {"label": "right", "start_tick": 6, "end_tick": 36},
        ],
    }
    for name in ("streams", "held_out"):
        write_clip(tmp_path / name / "one.mp4", frames=40)
        (tmp_path / name / "one.json").write_text(json.dumps(truth), encoding="utf-8")
    data = [f"--data={name}={tmp_path / name}" for name in SETS]
    run = ["--run", str(tmp_path / "run"), "--weights", "none", "--threads", "1", "--device", "cpu"]
    return [str(tmp_path / "tiny.toml"), *data, *run]


@pytest.mark.integration
def test_a_recipe_runs_from_clips_to_a_bundle(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(["run", *arguments]) == 0
    log = (run / "run.log").read_text(encoding="utf-8")
    assert "damaged.mp4" in log
    assert "prepared; 1 left out" in log
    assert "cross-entropy" in log
    assert "regularisation" in log

    metrics = read_metrics(run / "metrics.json")
    results = {(each.data_set, each.protocol): each for each in metrics.results}
    assert results["unseen", "global"].count == 2
    assert results["streams", "grid, middle of action"].count == 1  # the first: no full window
    manifest = Bundle.open(run / "bundle").manifest
    assert manifest.classes == ("left", "right")
    assert manifest.calibration.fused != 1.0
    assert manifest.abstain_below == 0.0  # no idle footage was given
    measured = {(a.data_set, a.protocol, a.streams): a.value for a in manifest.accuracy}
    assert measured["unseen", "grid", "rgb"] == results["unseen", "grid"].accuracy.rgb
    assert ("streams", "grid, middle of action", "rgb+flow") in measured
    assert manifest.attribution == ("drawn",)

    lines = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert {(line["stage"], line["stream"]) for line in lines} == {
        (stage, stream) for stage in ("stage1", "stage2") for stream in ("rgb", "flow")
    }
    assert json.loads((run / "environment.json").read_text())["run"]["device"] == "cpu"
    assert json.loads((run / "config.json").read_text())["weights"] == "none"

    # Again: nothing is trained anew, and the model stays what it was.
    before = torch.load(run / "rgb.pt", weights_only=True)
    assert main(["stage1", *arguments, "--stream", "rgb"]) == 0
    after = torch.load(run / "rgb.pt", weights_only=True)
    assert before["epochs"] == after["epochs"] == 2
    key = "classifier.weight"
    assert torch.equal(before["state_dict"][key], after["state_dict"][key])
    assert len((run / "history.jsonl").read_text().splitlines()) == len(lines)

    # What was measured of a model stays with it, and goes with its weights.
    model = torch.load(run / "model.pt", weights_only=True)
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE.replace('version = "1"', 'version = "2"'), encoding="utf-8")
    assert main(["stage2", *arguments]) == 0
    again = torch.load(run / "model.pt", weights_only=True)
    assert again["manifest"] == {**model["manifest"], "version": "2"}
    assert again["calibrated"] == model["calibrated"]
    assert read_metrics(run / "metrics.json") == metrics
    recipe.write_text(RECIPE.replace("iterations = 3", "iterations = 4"), encoding="utf-8")
    assert main(["stage2", *arguments]) == 0
    new = torch.load(run / "model.pt", weights_only=True)
    assert new["manifest"]["accuracy"] == []
    assert "calibration" not in new["manifest"]
    assert "calibrated" not in new
    assert not (run / "metrics.json").exists()
    log = (run / "run.log").read_text(encoding="utf-8")
    assert "run `gesta-train calibrate` and `gesta-train evaluate` again" in log

    # By another recipe it isn't gone on with.
    recipe.write_text(RECIPE.replace("input_size = 32", "input_size = 32\nspatial_gain = 2.0"))
    assert main(["stage1", *arguments]) == 2
    error = capsys.readouterr().err
    assert "`model.spatial_gain` is 2.0, and was 1.0" in error
    assert "Traceback" not in error


def test_a_stopped_first_stage_goes_on_as_if_it_had_not_stopped(
    tmp_path: Path, arguments: list[str]
) -> None:
    assert main(["prepare", *arguments]) == 0

    class StopAfterOneEpoch(Progress):
        """Stops as a user's Ctrl-C would, after the first epoch is written."""

        def note(self, line: str) -> None:
            super().note(line)
            if "epoch 2/2" in line:
                raise KeyboardInterrupt

    def run(folder: str, progress: Progress) -> Run:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "store").symlink_to(tmp_path / "run" / "store")
        return Run(
            recipe=find_recipe(arguments[0]),
            folder=tmp_path / folder,
            data={name: tmp_path / name for name in SETS},
            weights="none",
            progress=progress,
        )

    whole = stage1(run("whole", Progress()), "rgb")
    stopped = run("stopped", StopAfterOneEpoch())
    with pytest.raises(KeyboardInterrupt):
        stage1(stopped, "rgb")
    assert torch.load(stopped.folder / "rgb.pt", weights_only=True)["epochs"] == 1
    resumed = Run(
        recipe=stopped.recipe,
        folder=stopped.folder,
        data=stopped.data,
        weights="none",
        progress=Progress(),
    )
    found = stage1(resumed, "rgb").state_dict()
    for key, value in whole.state_dict().items():
        torch.testing.assert_close(found[key], value, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (("--data", "ghost=x"), 2, "ghost"),
        (("--data", "nonsense"), 2, "SET=FOLDER"),
        (("--data", "clips=/nowhere"), 3, "no folder"),
    ],
)
def test_bad_input_gets_a_sentence_and_its_exit_code(
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
    change: tuple[str, str],
    code: int,
    said: str,
) -> None:
    assert main(["prepare", *arguments, *change]) == code
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


@pytest.mark.parametrize("command", ["run", "ablate"])
def test_weights_that_are_not_there_are_missed_before_anything_long_begins(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert main([command, *arguments, "--weights", "missing.npz"]) == 2
    assert "missing.npz" in capsys.readouterr().err
    assert not (tmp_path / "run" / "store").exists()


def test_the_second_stage_says_where_the_first_is_not_done(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE.replace("epochs = 2", "epochs = 1"), encoding="utf-8")
    assert main(["prepare", *arguments]) == 0
    assert main(["stage1", *arguments, "--stream", "rgb"]) == 0
    assert main(["stage2", *arguments, "--stream", "rgb"]) == 0
    assert "taken as it is" not in capsys.readouterr().err
    recipe.write_text(RECIPE, encoding="utf-8")
    assert main(["stage2", *arguments, "--stream", "rgb"]) == 0
    error = " ".join(capsys.readouterr().err.split())
    assert "rgb: its first stage is taken as it is, after 1 of 2 epochs" in error


def test_one_process_does_what_has_nothing_to_share(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["prepare", *arguments]) == 2
    assert "without torchrun" in capsys.readouterr().err


def test_what_cannot_be_used_is_named_and_counted_or_stops_a_strict_run(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write_clip(tmp_path / "clips" / "dance" / "0.mp4")
    write_clip(tmp_path / "clips" / "right" / "still.mp4", frames=1)
    recipe = tmp_path / "tiny.toml"
    text = recipe.read_text(encoding="utf-8").replace('"right"]', '"right", "wave"]')
    recipe.write_text(text, encoding="utf-8")
    assert main(["prepare", *arguments]) == 0
    log = (tmp_path / "run" / "run.log").read_text(encoding="utf-8")
    assert "left out: 1 clips of the class 'dance', which the recipe doesn't have" in log
    assert "still.mp4 has one frame" in log
    assert "No clip to train on shows 'wave'" in log
    assert "prepared; 3 left out" in log
    for folder, said in (
        (tmp_path / "clips" / "dance", "'dance'"),
        (tmp_path / "clips" / "left" / "damaged.mp4", "damaged.mp4"),
        (tmp_path / "clips" / "right" / "still.mp4", "still.mp4"),
        (None, "'wave'"),
    ):
        assert main(["prepare", *arguments, "--strict", "--workers", "1"]) == 3
        assert said in capsys.readouterr().err
        if folder is not None:
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()


@pytest.mark.parametrize("name", ["clips", "unseen"])
def test_a_set_of_unknown_classes_only_is_refused(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    shutil.rmtree(tmp_path / name)
    write_clip(tmp_path / name / "dance" / "0.mp4")
    assert main(["prepare", *arguments]) == 3
    assert f"No clip of '{name}' shows one of the recipe's `classes`" in capsys.readouterr().err


def test_a_head_follows_from_how_often_a_stream_is_sampled(
    tmp_path: Path, arguments: list[str]
) -> None:
    assert main(["prepare", *arguments]) == 0
    assert main(["stage1", *arguments, "--stream", "rgb"]) == 0
    heads = []
    for text in (RECIPE, RECIPE + "sample_every = 1\n", RECIPE + "sample_every = 2\n"):
        (tmp_path / "tiny.toml").write_text(text, encoding="utf-8")
        assert main(["stage2", *arguments, "--stream", "rgb"]) == 0
        head = torch.load(tmp_path / "run" / "rgb_head.pt", weights_only=True)
        heads.append(head["state_dict"]["lstm.weight_hh_l0"])
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[1], heads[2])


def test_a_native_rate_is_refused_where_a_grid_is_needed(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "tiny.toml"
    text = recipe.read_text(encoding="utf-8")
    text = text.replace("size = [64, 48]", 'size = [64, 48]\ngrid_fps = "native"')
    recipe.write_text(text, encoding="utf-8")
    assert main(["prepare", *arguments]) == 2
    assert "streams (streams) lie on a grid" in capsys.readouterr().err
    start, end = text.index("[sets.streams]"), text.index("[prepared]")
    recipe.write_text(text[:start] + text[end:], encoding="utf-8")
    without = [a for a in arguments if "streams=" not in a and "held_out=" not in a]
    assert main(["run", *without]) == 4
    assert "a bundle needs a grid" in capsys.readouterr().err
    assert main(["prepare", *without]) == 0


@pytest.mark.integration
def test_a_full_disk_is_a_sentence_and_what_is_done_is_kept(
    tmp_path: Path, arguments: list[str]
) -> None:
    """In place of a full disk, files that may not grow past 60 kB: the same kind of error."""
    write_clip(tmp_path / "clips" / "right" / "long.mp4", frames=150)
    command = ["prepare", *arguments, "--workers", "1"]
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (60000, 60000))\n"
        f"from training.cli import main\nif __name__ == '__main__': sys.exit(main({command}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 5
    assert "long.zip can't be written (File too large): make room and run again" in done.stderr
    assert "Traceback" not in done.stderr
    store = tmp_path / "run" / "store" / "clips"
    kept = {path: path.stat().st_mtime_ns for path in store.rglob("*.zip")}
    assert len(kept) == 12  # frames and flow of six short clips
    assert not list(store.rglob("*.part"))
    assert main(command) == 0
    assert len(list(store.rglob("*.zip"))) == 14
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_later_steps_say_which_one_is_missing(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stage1", *arguments]) == 3
    assert "gesta-train prepare" in capsys.readouterr().err
    assert main(["evaluate", *arguments]) == 2
    assert "gesta-train stage2" in capsys.readouterr().err
