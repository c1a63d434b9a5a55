"""A run folder says what it stands on, and doesn't let that change under what is trained."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from training.checkpoint import save_checkpoint
from training.commands import find_recipe
from training.data.preparation import PreparedFlow
from training.device import CPU
from training.errors import CheckpointError, OutputError, RecipeError
from training.recipe import Recipe
from training.record import keep_config, keep_environment, weights_of
from training.stage1_checkpoint import described

RECIPE = find_recipe("jhmdb-scenes")


def with_flows(**flows: PreparedFlow) -> Recipe:
    """The recipe with other flows prepared beside its own, or in their place."""
    prepared = RECIPE.prepared
    return replace(RECIPE, prepared=replace(prepared, flows={**prepared.flows, **flows}))


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    keep_config(tmp_path, RECIPE, "none")
    _first_stage(tmp_path, RECIPE)
    return tmp_path


def _first_stage(folder: Path, recipe: Recipe) -> None:
    """A checkpoint after the first epoch of RGB's first phase."""
    config = recipe.model_config("none")
    phases, classes = recipe.stage1.rgb, recipe.classes
    own = described("rgb", phases, classes, config, precision=recipe.precision, seed=recipe.seed)
    state = {"state_dict": {}, "optimiser": {}, "epochs": 1, "phase": 0}
    save_checkpoint(folder / "rgb.pt", {**state, **own})


def _with_phase(**fields: Any) -> Recipe:
    """The recipe with RGB's first phase changed."""
    first, *others = RECIPE.stage1.rgb
    return replace(RECIPE, stage1=replace(RECIPE.stage1, rgb=(replace(first, **fields), *others)))


def test_what_was_not_trained_yet_may_change(tmp_path: Path) -> None:
    keep_config(tmp_path, RECIPE, "none")
    keep_config(tmp_path, replace(RECIPE, seed=1), "weights.npz")
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["recipe"]["seed"], config["weights"]) == (1, "weights.npz")
    assert config["recipe"]["stage2"]["momentum"] == 0.9
    assert weights_of(tmp_path, None) == "weights.npz"
    assert weights_of(tmp_path, "imagenet") == "imagenet"
    assert weights_of(tmp_path / "other", None) == "imagenet"


@pytest.mark.parametrize(
    ("recipe", "weights", "words"),
    [
        (replace(RECIPE, seed=1), "none", "`seed` is 1, and was 0"),
        (replace(RECIPE, classes=RECIPE.classes[1:]), "none", r"`classes\[0\]` is 'catch'"),
        (replace(RECIPE, precision="fp32"), "none", "`precision` is 'fp32'"),
        (
            replace(RECIPE, model=replace(RECIPE.model, spatial_gain=49.0)),
            "none",
            r"`model.spatial_gain` is 49.0, and was 1.0",
        ),
        (
            replace(RECIPE, sets={**RECIPE.sets, "jhmdb": replace(RECIPE.sets["jhmdb"], split=2)}),
            "none",
            r"`sets.jhmdb.split` is 2, and was 1",
        ),
        (
            with_flows(dis=replace(RECIPE.prepared.flows["dis"], bound_px=20.0)),
            "none",
            r"`prepared.flows.dis.bound_px` is 20.0, and was 8.0",
        ),
        # Clips that were trained on can't be held out afterwards.
        (
            replace(RECIPE, calibration=replace(RECIPE.calibration, hold_out=0.3)),
            "none",
            r"`calibration.hold_out` is 0.3, and was 0.1",
        ),
        (
            replace(RECIPE, calibration=replace(RECIPE.calibration, seed=1)),
            "none",
            r"`calibration.seed` is 1, and was 0",
        ),
        (RECIPE, "imagenet", "`--weights` is 'imagenet', and was 'none'"),
    ],
)
def test_what_was_trained_stands_on_its_recipe(
    trained: Path, recipe: object, weights: str, words: str
) -> None:
    before = (trained / "config.json").read_text()
    with pytest.raises(RecipeError, match=words):
        keep_config(trained, recipe, weights)  # type: ignore[arg-type]
    assert (trained / "config.json").read_text() == before


def test_a_phase_that_has_begun_stays_as_it_is(trained: Path) -> None:
    before = (trained / "config.json").read_text()
    for trains in (True, False):
        with pytest.raises(CheckpointError, match=r"`stage1.rgb\[0\].mixup` is 0.25, and was"):
            keep_config(trained, _with_phase(mixup=0.25), "none", trains=trains)
    shorter = _with_phase(epochs=RECIPE.stage1.rgb[0].epochs - 1)
    with pytest.raises(CheckpointError, match=r"`stage1.rgb\[0\].epochs`"):
        keep_config(trained, shorter, "none")
    assert (trained / "config.json").read_text() == before


def test_a_first_stage_that_ends_early_serves_the_steps_after_it(trained: Path) -> None:
    longer = _with_phase(epochs=RECIPE.stage1.rgb[0].epochs + 1)
    with pytest.raises(CheckpointError, match=r"`stage1.rgb\[0\].epochs`"):
        keep_config(trained, longer, "none", trains=True)  # it can't go on by another schedule
    keep_config(trained, longer, "none")


def test_phases_to_come_may_change(trained: Path) -> None:
    first = RECIPE.stage1.rgb[0]
    more = replace(RECIPE, stage1=replace(RECIPE.stage1, rgb=(first, replace(first, far=0.5))))
    keep_config(trained, more, "none", trains=True)
    keep_config(trained, replace(RECIPE, stage1=replace(RECIPE.stage1, rgb=(first,))), "none")


def test_what_a_set_is_tested_on_may_change(tmp_path: Path) -> None:
    recipe = find_recipe("thumos14")
    keep_config(tmp_path, recipe, "none")
    _first_stage(tmp_path, recipe)
    sets = {name: replace(each, part="validation") for name, each in recipe.sets.items()}
    keep_config(tmp_path, replace(recipe, sets=sets), "none")


def test_the_second_stage_the_bundle_and_the_test_sets_may_change(trained: Path) -> None:
    sets = {name: each for name, each in RECIPE.sets.items() if each.use == "train"}
    changed = replace(
        RECIPE,
        sets=sets,
        stage2=replace(RECIPE.stage2, iterations=10),
        model=replace(RECIPE.model, hidden_width=8),
        bundle=replace(RECIPE.bundle, name="mine"),
        calibration=replace(RECIPE.calibration, fusion="probabilities", alarm_s=1.0, idle=()),
    )
    keep_config(trained, changed, "none")


def test_flows_may_be_added_and_taken_out(trained: Path) -> None:
    keep_config(trained, with_flows(farneback=PreparedFlow()), "none")
    keep_config(trained, RECIPE, "none")


def test_each_command_leaves_its_environment(tmp_path: Path) -> None:
    keep_environment(tmp_path, "stage1", ["gesta-train", "stage1", "--run", "x"], CPU)
    keep_environment(tmp_path, "evaluate", ["gesta-train", "evaluate"], CPU)
    found = json.loads((tmp_path / "environment.json").read_text())
    assert set(found) == {"stage1", "evaluate"}
    started = found["stage1"]
    assert started["line"] == ["gesta-train", "stage1", "--run", "x"]
    assert started["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert started["packages"]["numpy"] == np.__version__
    assert (started["device"], started["gpus"], started["processes"]) == ("cpu", [], 1)
    root = Path(__file__).parents[2]
    head = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True
    )
    if head.returncode == 0:
        assert started["commit"].partition("-")[0] == head.stdout.strip()


def test_a_folder_that_cannot_be_written_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"config.json can't be written"):
        keep_config(tmp_path / "file", RECIPE, "none")
