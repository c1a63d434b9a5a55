"""Each row changes what the paper changes from the row before, and nothing else."""

from msgspec.structs import replace

from training.ablation.rows import ROWS, Variant, full_gain, variants
from training.commands import find_recipe
from training.recipe import Recipe

RECIPE = find_recipe("jhmdb-scenes")


def recipe_of(number: int, **given: object) -> Recipe:
    fields = {"split": 1, "gain": 4.0, "seed": 0, "head": None, **given}
    return Variant(row=ROWS[number], **fields).recipe(RECIPE)  # type: ignore[arg-type]


def without_consensus(recipe: Recipe) -> Recipe:
    def phases(stream: str) -> tuple[object, ...]:
        return tuple(replace(each, consensus=False) for each in getattr(recipe.stage1, stream))

    return replace(recipe, stage1=replace(recipe.stage1, rgb=phases("rgb"), flow=phases("flow")))


def test_rows_differ_in_one_thing_each() -> None:
    cnn, sa_cnn, tsn, sta_tsn = (recipe_of(number) for number in range(4))
    assert cnn == replace(sa_cnn, model=replace(sa_cnn.model, spatial_attention=False))
    assert sa_cnn == without_consensus(tsn)
    assert sta_tsn == tsn
    assert tsn == replace(RECIPE, model=replace(RECIPE.model, spatial_gain=4.0))


def test_seeds_and_splits_change_nothing_else() -> None:
    assert recipe_of(2, seed=2) == replace(recipe_of(2), seed=RECIPE.seed + 2)
    head = recipe_of(3, head=1)
    assert head == replace(recipe_of(3), stage2=replace(RECIPE.stage2, seed=1))
    other = recipe_of(2, split=3)
    assert other.sets["jhmdb"].split == 3
    assert replace(other, sets=recipe_of(2).sets) == recipe_of(2)


def test_a_second_stage_stands_on_the_first_of_its_gain_split_and_seed() -> None:
    chosen = variants(splits=(1, 2), gains=(1.0, 25.0), seeds=2, heads=3)
    folders = [each.folder for each in chosen]
    assert len(set(folders)) == len(folders) == 2 * 2 * (1 + 2 + 2 + 2 * 3)
    for each in chosen:
        below = each.first_stage
        assert below in chosen
        assert chosen.index(below) <= chosen.index(each)
        assert (below.split, below.gain, below.seed) == (each.split, each.gain, each.seed)
    assert {each.first_stage.folder for each in chosen if each.row.key_frames} == {
        f"split{split}/seed{seed}/sa_cnn_tsn_gain{gain}"
        for split in (1, 2)
        for seed in (0, 1)
        for gain in (1, 25)
    }


def test_the_full_gain_is_the_number_of_positions() -> None:
    assert RECIPE.model.input_size == 224
    assert full_gain(RECIPE) == 49.0
    small = find_recipe("jhmdb-small")  # 112 px become 3.5 places, and half a place is one
    assert full_gain(small) == small.model.spatial_gain == 16.0
