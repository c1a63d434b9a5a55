"""How rows are made up of batches."""

from itertools import combinations_with_replacement

import pytest

from engine.runners.cover import Cover

# A run costs something by itself, then so much a row: a GPU that one row doesn't fill.
GPU = {batch: 10.0 + batch for batch in (1, 8, 32, 128)}
FLAT = {batch: 10.0 + batch / 100 for batch in (1, 8, 32, 128)}  # what only waits for weights
STEEP = {batch: 1.0 * batch for batch in (1, 8, 32, 128)}  # what one row fills


@pytest.mark.parametrize(
    ("cost", "rows", "batches"),
    [
        (GPU, 1, (1,)),
        (GPU, 3, (8,)),
        (GPU, 9, (8, 1)),
        (GPU, 33, (32, 1)),
        (GPU, 100, (128,)),
        (GPU, 300, (128, 128, 32, 8, 8)),
        (FLAT, 9, (32,)),
        (FLAT, 33, (128,)),
        (STEEP, 3, (1, 1, 1)),
        ({8: 5.0}, 3, (8,)),
    ],
)
def test_the_batches_are_those_that_cost_least(cost, rows, batches):
    assert Cover(cost).of(rows) == batches


@pytest.mark.parametrize("cost", [GPU, FLAT, STEEP])
@pytest.mark.parametrize("rows", [2, 7, 17, 40, 65, 127])
def test_no_other_way_is_cheaper(cost, rows):
    def price(batches):
        return sum(cost[batch] for batch in batches)

    found = Cover(cost).of(rows)
    ways = [
        batches
        for count in range(1, 6)
        for batches in combinations_with_replacement(cost, count)
        if sum(batches) >= rows
    ]
    assert sum(found) >= rows
    assert price(found) <= min(map(price, ways)) + 1e-9


def test_each_batch_that_is_used_at_all_is_used_for_its_own_size():
    """So that whoever tries each size has tried all that will ever run."""
    for cost in (GPU, FLAT, STEEP, {1: 5.0, 8: 4.0, 32: 9.0}):
        cover = Cover(cost)
        used = {batch for rows in range(1, 300) for batch in cover.of(rows)}
        assert used == {batch for size in cost for batch in cover.of(size)}
