"""Recipes: the built-in ones hold; what is wrong with another is said by its key."""

from pathlib import Path

import pytest

from training.commands import RECIPES, find_recipe
from training.errors import RecipeError
from training.recipe import read_recipe

DEFAULT = RECIPES / "jhmdb-scenes.toml"


def test_every_built_in_recipe_holds() -> None:
    recipes = [read_recipe(path) for path in RECIPES.glob("*.toml")]
    assert recipes
    default = find_recipe("jhmdb-scenes")
    assert len(default.classes) == 22
    assert default.classes[-1] == "idle"
    assert default.model_config("weights.npz").window == 30
    assert default.prepared.size == (224, 176)
    assert default.prepared.default_flow == "dis"


@pytest.mark.parametrize(
    ("find", "replace", "named"),
    [
        ("seed = 0", "sede = 0", "sede"),
        ("side = 128", "side = 130", r"stage1.flow\[0\].side|side"),
        ('batch_norm = "trained"', 'batch_norm = "thawed"', "thawed"),
        ("draw = { jhmdb = 4, scenes = 2, idle = 1 }", "draw = { ucf = 2 }", "ucf"),
        ("draw = { jhmdb = 4, scenes = 2, idle = 1 }", "draw = { scenes_test = 2 }", "scenes_test"),
        ('"idle",', '"idle", "zzz",', "idle"),
        ('backbone = "mobilenet_v2"', 'backbone = "vgg"', "vgg"),
        ("seed = 0", "seed = ", "TOML|toml|value|Invalid"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, find: str, replace: str, named: str) -> None:
    text = DEFAULT.read_text(encoding="utf-8")
    assert find in text
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(text.replace(find, replace, 1), encoding="utf-8")
    with pytest.raises(RecipeError, match=named):
        read_recipe(wrong)


def test_unknown_recipes_and_missing_files_get_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="jhmdb-scenes"):
        find_recipe("nothing")
    with pytest.raises(RecipeError, match="can't be read"):
        find_recipe(str(tmp_path / "nothing.toml"))
