"""Calibrate and evaluate a model nobody trained on a few drawn clips, with two flows."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import torch

from engine.manifest import Manifest
from tests.training.data.clips import write_clip
from training import steps
from training.checkpoint import load_checkpoint, save_checkpoint
from training.cli import main
from training.commands import find_recipe
from training.data.prepare import prepare_clip
from training.errors import CheckpointError, DataError, OutputError, RecipeError
from training.evaluation import measure
from training.evaluation.idle import evaluate_idle
from training.evaluation.results import read_metrics
from training.export import make_manifest
from training.lock import locked
from training.manifest import manifest_fields
from training.progress import Progress
from training.random_model import random_model
from training.recipe import read_recipe
from training.record import keep_config
from training.run import Run, read_model

RECIPE = """
classes = ["left", "right", "idle"]
[sets.clips]
layout = "folder"
[sets.unseen]
layout = "folder"
use = "test"
[sets.held_out]
layout = "streams"
use = "calibrate"
[sets.room]
layout = "streams"
use = "idle"
[sets.street]
layout = "streams"
use = "idle"
allowed = ["idle", "right"]
flows = ["dis"]
[prepared]
size = [64, 48]
[prepared.flows.dis]
parameters = { preset = "ultrafast" }
[prepared.flows.tvl1]
parameters = { scales = 1, warps = 1, inner_iterations = 1, outer_iterations = 1 }
[model]
backbone = "resnet18"
input_size = 32
hidden_width = 4
frames_per_segment = 2
[[stage1.rgb]]
draw = { clips = 4 }
epochs = 1
learning_rate = 1e-3
side = 32
[[stage1.flow]]
draw = { clips = 4 }
epochs = 1
learning_rate = 1e-3
side = 32
[stage2]
draw = { clips = 1 }
[calibration]
hold_out = 0.3
idle = ["room"]
false_alarms_per_hour = 2000.0
alarm_s = 0.12
[bundle]
name = "tiny"
version = "1"
licence = "Apache-2.0"
"""

SETS = ("clips", "unseen", "held_out", "room", "street")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clips of every set, and a run that has them in its store."""
    folder = tmp_path_factory.mktemp("measure")
    for label, step_px in (("left", -3), ("right", 3)):
        for index in range(3):
            name = f"{label}{index}.mp4"
            write_clip(folder / "clips" / label / name, frames=7, step_px=step_px)
    write_clip(folder / "unseen" / "left" / "short.mp4", frames=3, step_px=-3)
    write_clip(folder / "unseen" / "right" / "long.mp4", frames=8)
    write_clip(folder / "held_out" / "one.mp4", frames=14)
    truth = {"intervals": [{"label": "right", "start_tick": 0, "end_tick": 14}]}
    (folder / "held_out" / "one.json").write_text(json.dumps(truth), encoding="utf-8")
    write_clip(folder / "room" / "still.mp4", frames=18, step_px=0)
    write_clip(folder / "street" / "walking.avi", frames=10)
    (folder / "tiny.toml").write_text(RECIPE, encoding="utf-8")
    run = _run(folder, folder / "run")
    for name in SETS:
        for clip in (*run.split(name).train, *run.split(name).test):
            prepare_clip(clip, run.store(name))
    return folder


@pytest.fixture
def run(prepared: Path, tmp_path: Path) -> Run:
    """A run of its own with a model nobody trained."""
    (tmp_path / "store").symlink_to(prepared / "run" / "store")
    run = _run(prepared, tmp_path)
    state = {
        "config": run.config.to_dict(),
        "state_dict": random_model(run.config, seed=1).state_dict(),
        "manifest": manifest_fields(run.recipe),
    }
    save_checkpoint(run.model_path, state)
    return run


def _run(data: Path, folder: Path) -> Run:
    return Run(
        recipe=read_recipe(data / "tiny.toml"),
        folder=folder,
        data={name: data / name for name in SETS},
        weights="none",
        progress=Progress(log=folder / "run.log"),
    )


def _manifest(run: Run) -> Manifest:
    return make_manifest(run.config, load_checkpoint(run.model_path)["manifest"])


def test_each_set_has_the_flows_that_the_recipe_gives_it(run: Run) -> None:
    assert (run.flows_of("clips"), run.flows_of("street")) == (("dis", "tvl1"), ("dis",))
    assert run.flows_of("room", "street") == ("dis",)
    assert not (run.folder / "store" / "street" / "tvl1").exists()


def test_a_flow_that_is_not_prepared_is_missed_before_training(run: Run) -> None:
    own = run.folder / "store"
    shared = own.resolve()
    own.unlink()
    shutil.copytree(shared, own)
    next((own / "clips" / "tvl1").rglob("*.zip")).unlink()
    assert len(run.training_sets()["clips"]) == 4
    with pytest.raises(DataError, match=r"'tvl1' of .* is not prepared: run `gesta-train prepare`"):
        run.training_sets(("tvl1",))


@pytest.mark.integration
def test_a_model_is_calibrated_and_measured_with_every_flow(run: Run) -> None:
    measure.calibrate(run)
    found = measure.evaluate(run, crops=10)
    assert found == read_metrics(run.folder / "metrics.json")

    calibration, abstention = found.calibration, found.abstention
    assert calibration is not None
    assert abstention is not None
    # Of six sources 0.3 is two clips; and the middle of the one stream.
    assert calibration.counts == {"clips": 2, "held_out": 1}
    assert calibration.flows == ("dis", "tvl1")
    assert abstention.duration_s == pytest.approx((18 - 5) / 25)  # a window is 6 samples

    manifest = _manifest(run)
    assert manifest.calibration.fused == calibration.temperatures.fused
    assert manifest.abstain_below == abstention.threshold
    by_name = {(each.protocol, each.crops, each.flow): each for each in found.results}
    assert set(by_name) == {
        (*protocol, flow)
        for protocol in (
            ("global", 1),
            ("grid", 1),
            ("global", 10),
            ("grid, end of clip", 1),
            ("grid, end of long clip", 1),
        )
        for flow in ("dis", "tvl1")
    }
    assert by_name["global", 10, "dis"].count == 2
    assert by_name["grid, end of long clip", 1, "dis"].count == 1
    assert [each.flow for each in found.joined] == ["dis", "tvl1"]
    for flow in ("dis", "tvl1"):
        assert manifest.flows[flow].accuracy == by_name["global", 1, flow].accuracy.fused

    idle = {(each.data_set, each.flow): each for each in found.idle}
    assert set(idle) == {("room", "dis"), ("room", "tvl1"), ("street", "dis")}
    room = idle["room", "dis"]
    assert (room.fitted, room.allowed, room.videos) == (True, ("idle",), 1)
    assert not idle["street", "dis"].fitted
    at_threshold = next(rate for rate in room.rates if rate.threshold == abstention.threshold)
    assert at_threshold.per_hour <= 2000.0
    log = (run.folder / "run.log").read_text(encoding="utf-8")
    assert "abstains below" in log
    assert "false alarms an hour" in log


@pytest.mark.integration
def test_idle_footage_is_scored_once(run: Run) -> None:
    measure.calibrate(run)
    kept = {path: path.stat().st_mtime_ns for path in (run.folder / "scores").rglob("*.npz")}
    assert len(kept) == 1
    measure.evaluate(run)
    again = {path: path.stat().st_mtime_ns for path in (run.folder / "scores").rglob("*.npz")}
    assert kept.items() <= again.items()
    # Another model's scores are no use.
    state = load_checkpoint(run.model_path)
    state["state_dict"]["rgb_head.classifier.bias"] += 1
    save_checkpoint(run.model_path, state)
    measure.calibrate(run)
    assert len(list((run.folder / "scores" / "room").glob("*.npz"))) == 2
    # A CNN's weights count as those of a head do, though calibration has compiled it by then.
    state["state_dict"]["rgb.backbone.body.conv1.weight"] += 1
    save_checkpoint(run.model_path, state)
    measure.calibrate(run)
    assert len(list((run.folder / "scores" / "room").glob("*.npz"))) == 3


@pytest.mark.parametrize("step", [measure.calibrate, measure.evaluate, steps.export])
def test_only_the_recipes_own_model_is_measured(run: Run, step: Callable[[Run], object]) -> None:
    model = msgspec.structs.replace(run.recipe.model, input_size=48)
    changed = replace(run, recipe=msgspec.structs.replace(run.recipe, model=model))
    before = run.model_path.read_bytes()
    with pytest.raises(
        CheckpointError, match=r"other settings: `model.input_size` is 48, and was 32.*stage2"
    ):
        step(changed)
    assert run.model_path.read_bytes() == before


def test_a_refused_evaluation_leaves_the_runs_recipe_as_it_was(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep_config(run.folder, run.recipe, "none")
    before = (run.folder / "config.json").read_bytes()
    (tmp_path / "other.toml").write_text(RECIPE.replace("hidden_width = 4", "hidden_width = 8"))
    data = [f"--data={name}={folder}" for name, folder in run.data.items()]
    arguments = [str(tmp_path / "other.toml"), "--run", str(run.folder), *data, "--device", "cpu"]
    assert main(["evaluate", *arguments]) == CheckpointError.exit_code
    assert "`model.hidden_width` is 8, and was 4" in capsys.readouterr().err
    assert (run.folder / "config.json").read_bytes() == before


@pytest.mark.parametrize(
    "step", [measure.calibrate, measure.evaluate, steps.assemble, steps.export]
)
def test_two_processes_never_work_on_one_model(run: Run, step: Callable[[Run], object]) -> None:
    with (
        locked(run.folder, "model", "works on the model"),
        pytest.raises(OutputError, match="Another process works on the model"),
    ):
        step(run)


def test_what_is_held_out_is_never_trained_on(run: Run) -> None:
    held = {clip.key for clip in run.held_out("clips")}
    trained = {clip.key for clip in run.training_sets()["clips"]}
    assert len(held) == 2
    assert len(trained) == 4
    assert not held & trained
    assert trained == {clip.key for clip in run.clips("clips")[0]}


def test_without_a_threshold_high_enough_the_model_always_answers(run: Run) -> None:
    # So sure of `left`, whatever it sees, that its probability is 1; and nothing to calibrate on.
    state = load_checkpoint(run.model_path)
    for head in ("rgb_head", "flow_head"):
        state["state_dict"][f"{head}.classifier.bias"] += torch.tensor([1000.0, 0.0, 0.0])
    save_checkpoint(run.model_path, state)
    sets = {name: each for name, each in run.recipe.sets.items() if name != "held_out"}
    calibration = msgspec.structs.replace(run.recipe.calibration, hold_out=0.0)
    recipe = msgspec.structs.replace(run.recipe, sets=sets, calibration=calibration)
    run = replace(run, recipe=recipe, data={name: run.data[name] for name in sets})
    measure.calibrate(run)
    assert _manifest(run).abstain_below == 0.0
    found = measure.evaluate(run)
    assert found.calibration is None
    assert found.abstention is not None
    assert found.abstention.threshold is None
    assert found.idle[0].wrong_samples == 1.0
    assert "no threshold" in (run.folder / "run.log").read_text(encoding="utf-8")


def test_a_video_shorter_than_the_window_is_refused(run: Run) -> None:
    config = {**run.config.to_dict(), "frames_per_segment": 20}
    save_checkpoint(run.model_path, {**load_checkpoint(run.model_path), "config": config})
    model = msgspec.structs.replace(run.recipe.model, frames_per_segment=20)
    run = replace(run, recipe=msgspec.structs.replace(run.recipe, model=model))
    with pytest.raises(DataError, match="'room' is as long as the window"):
        evaluate_idle(run, read_model(run), "room", 0.0)


def test_crops_are_one_or_ten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "jhmdb-scenes", "--run", str(tmp_path), "--crops", "5"])
    assert "--crops" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("find", "replace", "named"),
    [
        ('allowed = ["idle", "right"]', 'allowed = ["fly"]', "sets.street.allowed.*'fly'"),
        ('idle = ["room"]', 'idle = ["unseen"]', "calibration.idle.*'unseen'"),
        ("hold_out = 0.3", "hold_out = 1.0", "hold_out"),
        ('use = "test"', 'use = "idle"', "sets.unseen.use"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_named(
    tmp_path: Path, find: str, replace: str, named: str
) -> None:
    (tmp_path / "wrong.toml").write_text(RECIPE.replace(find, replace, 1), encoding="utf-8")
    with pytest.raises(RecipeError, match=named):
        find_recipe(str(tmp_path / "wrong.toml"))


def test_where_videos_show_several_classes_the_log_has_their_mean_average_precision(
    tmp_path: Path,
) -> None:
    """THUMOS14's layout: trimmed clips to train on, and videos that show one class or both."""
    start, end = RECIPE.index("[sets.clips]"), RECIPE.index("[prepared]")
    text = RECIPE[:start] + '[sets.clips]\nlayout = "thumos14"\n' + RECIPE[end:]
    start, end = text.index("[calibration]"), text.index("[bundle]")
    (tmp_path / "tiny.toml").write_text(text[:start] + text[end:], encoding="utf-8")
    data = tmp_path / "thumos"
    write_clip(data / "training" / "left" / "a.mp4", frames=3)
    for name in ("one", "two"):
        write_clip(data / "test" / f"{name}.mp4", frames=4)
    (data / "splits").mkdir()
    (data / "splits" / "test_classes.txt").write_text("one left\ntwo left right\n")
    run = Run(
        recipe=read_recipe(tmp_path / "tiny.toml"),
        folder=tmp_path / "run",
        data={"clips": data},
        weights="none",
        progress=Progress(log=tmp_path / "run" / "run.log"),
    )
    for clip in run.split("clips").test:
        prepare_clip(clip, run.store("clips"))
    state = {
        "config": run.config.to_dict(),
        "state_dict": random_model(run.config, seed=1).state_dict(),
        "manifest": manifest_fields(run.recipe),
    }
    save_checkpoint(run.model_path, state)
    found = next(each for each in measure.evaluate(run).results if each.protocol == "global")
    told = f"clips test, global, mAP: {found.mean_average_precision:.1%} (2 clips, one crop, flow"
    assert told in (run.folder / "run.log").read_text(encoding="utf-8")
