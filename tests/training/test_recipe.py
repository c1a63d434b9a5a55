"""Recipes: the built-in ones hold; what is wrong with another is said by its key."""

import re
from pathlib import Path

import pytest

from training.commands import RECIPES, find_recipe
from training.data.data_sets.hmdb51 import read_class_lists
from training.data.data_sets.ucf101 import read_classes
from training.errors import RecipeError
from training.recipe import read_recipe

DEFAULT = RECIPES / "jhmdb-scenes.toml"
STAGE_2 = "draw = { jhmdb = 4, scenes = 2, idle = 1, streets = 1 }"  # as it stands there


def test_every_built_in_recipe_holds() -> None:
    recipes = [read_recipe(path) for path in RECIPES.glob("*.toml")]
    assert recipes
    default = find_recipe("jhmdb-scenes")
    assert len(default.classes) == 22
    assert default.classes[-1] == "idle"
    assert default.model_config("weights.npz").window == 30
    assert default.prepared.size == (300, 224)
    assert default.prepared.default_flow == "dis"


@pytest.mark.parametrize(
    ("name", "classes"), [("ucf101", 101), ("hmdb51", 51), ("jhmdb", 21), ("thumos14", 101)]
)
def test_the_recipes_of_the_papers_data_sets_have_the_papers_settings(
    name: str, classes: int
) -> None:
    recipe = find_recipe(name)
    assert len(recipe.classes) == classes
    config = recipe.model_config("imagenet")
    assert (config.backbone, config.input_size, config.hidden_width) == ("resnet152", 224, 2048)
    assert (config.segments, config.frames_per_segment, config.spatial_gain) == (3, 10, 1.0)
    assert list(recipe.prepared.flows) == ["tvl1"]
    stage2 = recipe.stage2
    assert (stage2.momentum, stage2.batch, stage2.learning_rate) == (0.9, 128, 0.001)
    assert (stage2.step_every, stage2.iterations) == (3000, 15000)


@pytest.mark.parametrize("name", ["ucf101", "hmdb51", "jhmdb", "thumos14"])
def test_the_recipes_classes_are_those_of_the_official_lists(data_dir: Path, name: str) -> None:
    if name in ("ucf101", "thumos14"):
        official = set(read_classes(data_dir / "splits" / "ucf101" / "classInd.txt"))
    else:
        splits = {"hmdb51": data_dir / "splits" / "hmdb51", "jhmdb": data_dir / "jhmdb" / "splits"}
        official = {entry.label for entry in read_class_lists(splits[name], 1)[0]}
    assert set(find_recipe(name).classes) == official


@pytest.mark.parametrize(
    ("find", "replace", "named"),
    [
        ("seed = 0", "sede = 0", "sede"),
        ("side = 112", "side = 114", r"stage1.flow\[0\].side|side"),
        ('batch_norm = "trained"', 'batch_norm = "thawed"', "thawed"),
        ("side = 112", "side = 112\nbatch = 20", r"multiple of `micro_batch`.*stage1.flow\[0\]"),
        (STAGE_2, "draw = { ucf = 2 }", "ucf"),
        (STAGE_2, "draw = { scenes_test = 2 }", "scenes_test"),
        ('"idle",', '"idle", "zzz",', "idle"),
        ('backbone = "tf_mobilenet_v2"', 'backbone = "vgg"', "vgg"),
        ("flows.dis]", "flows.farneback]", "farneback"),
        ('preset = "medium"', 'preset = "slow"', "slow"),
        ('layout = "jhmdb"', 'layout = "jhmdb"\nuse = "test"', "sets.jhmdb.use"),
        ('flows = ["dis", "tvl1"]', 'flows = ["brox"]', r"stage1.flow\[0\].flows.*brox"),
        ('layout = "jhmdb"', 'layout = "jhmdb"\nflows = ["dis", "brox"]', "sets.jhmdb.flows.*brox"),
        ("size = [300, 224]", "size = [300, 192]", r"input_size`, 224, doesn't fit.*\[300, 192\]"),
        ("seed = 0", "seed = ", "TOML|toml|value|Invalid"),
        ("seed = 0", "seed = -1", r">= 0 - at `\$.seed`"),
        ("segment_dropout = 0.5", "segment_dropout = -1.0", r"\$.model.segment_dropout"),
        ("frame_dropout = 0.5", "frame_dropout = 1.0", r"\$.model.frame_dropout"),
        ("spatial_gain = 1.0", "spatial_gain = nan", r"\$.model.spatial_gain"),
        ("spatial_gain = 1.0", "spatial_gain = inf", r"\$.model.spatial_gain"),
        ("side = 112", "side = 112\nwarm_up_epochs = inf", r"\$.stage1.flow\[0\].warm_up_epochs"),
        ("side = 112", "side = 112\nwarm_up_epochs = -1.0", r"\$.stage1.flow\[0\].warm_up"),
        ("side = 112", "side = 112\nweight_decay = nan", r"\$.stage1.flow\[0\].weight_decay"),
        ("side = 112", "side = 112\nlabel_smoothing = 2.0", r"\$.stage1.flow\[0\].label"),
        (STAGE_2, "draw = {}", r"\$.stage2.draw"),
        ("momentum = 0.9", "momentum = -5.0", r"\$.stage2.momentum"),
        ("weight_decay = 0.0005", "weight_decay = -1.0", r"\$.stage2.weight_decay"),
        ("label_smoothing = 0.1", "label_smoothing = 2.0", r"\$.stage2.label_smoothing"),
        ("[stage2]", "[stage2]\nseed = -5", r"\$.stage2.seed"),
        ("every = { scenes = 2 }", "every = { scene = 2 }", r"`stage2.every` names 'scene'"),
        ("bound_px = 8.0", "bound_px = inf", r"\$.prepared.flows\[...\].bound_px"),
        ('"idle",', '"", "idle",', "`classes` names ''"),
        ('"idle",', '"..", "idle",', "`classes` names '..'"),
        ('"idle",', '"on/off", "idle",', "`classes` names 'on/off'"),
        ("[sets.jhmdb]", '[sets."../x"]', "`sets` names '../x'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, find: str, replace: str, named: str) -> None:
    text = DEFAULT.read_text(encoding="utf-8")
    assert find in text
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(text.replace(find, replace, 1), encoding="utf-8")
    with pytest.raises(RecipeError, match=named):
        read_recipe(wrong)


@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_each_stream_has_a_first_stage(tmp_path: Path, stream: str) -> None:
    text = DEFAULT.read_text(encoding="utf-8")
    without = re.sub(rf"\[\[stage1\.{stream}\]\].*?(?=\n\[)", "", text, flags=re.DOTALL)
    without = without.replace("[[stage1.", f"[stage1]\n{stream} = []\n[[stage1.", 1)
    (tmp_path / "wrong.toml").write_text(without, encoding="utf-8")
    with pytest.raises(RecipeError, match=rf">= 1 - at `\$.stage1.{stream}`"):
        read_recipe(tmp_path / "wrong.toml")


def test_a_sets_flows_have_the_default_among_them(tmp_path: Path) -> None:
    text = DEFAULT.read_text(encoding="utf-8")
    wrong = text.replace('layout = "jhmdb"', 'layout = "jhmdb"\nflows = ["tvl1"]', 1)
    (tmp_path / "wrong.toml").write_text(wrong, encoding="utf-8")
    with pytest.raises(RecipeError, match=r"sets.jhmdb.flows.*default flow, 'dis'"):
        read_recipe(tmp_path / "wrong.toml")


def test_unknown_recipes_and_missing_files_get_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="jhmdb-scenes"):
        find_recipe("nothing")
    with pytest.raises(RecipeError, match="can't be read"):
        find_recipe(str(tmp_path / "nothing.toml"))
