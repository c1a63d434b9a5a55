"""The four rows of Table 2, and the recipe and run folder of each trained model behind them.

A row changes what the paper changes from the row before, and nothing else:

    CNN         global average pooling; each image is classified, and has its loss, by itself
    SA-CNN      the same with multi-scale spatial attention
    SA-CNN+TSN  the same with the segment consensus: the scores of a clip's images, one from each
                segment, are averaged before the loss
    STA-TSN     key-frame exploration on the frozen streams of SA-CNN+TSN

All rows see the same images: one from each segment of a clip, in the same order, with the same
crops, flips and colours.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from training.model.backbone import map_side
from training.recipe import OFFICIAL, Recipe


@dataclass(frozen=True)
class Row:
    """A model of Table 2, by the parts that it has."""

    name: str
    spatial_attention: bool = False
    consensus: bool = False
    key_frames: bool = False


ROWS = (
    Row("CNN"),
    Row("SA-CNN", spatial_attention=True),
    Row("SA-CNN+TSN", spatial_attention=True, consensus=True),
    Row("STA-TSN", spatial_attention=True, consensus=True, key_frames=True),
)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One trained model: a row, on one split, with one gain and one seed.

    gain: None for the row without spatial attention. seed: of the first stage, counted from 0.
    head: of the second stage, counted from 0; None for the rows without one.
    """

    row: Row
    split: int
    gain: float | None
    seed: int
    head: int | None = None

    @property
    def folder(self) -> str:
        """Of its run, below the ablation's."""
        name = self.row.name.lower().replace("-", "_").replace("+", "_")
        gain = "" if self.gain is None else f"_gain{self.gain:g}"
        head = "" if self.head is None else f"_head{self.head}"
        return f"split{self.split}/seed{self.seed}/{name}{gain}{head}"

    @property
    def first_stage(self) -> Variant:
        """The variant whose streams this one has: itself, or the one below its second stage."""
        if not self.row.key_frames:
            return self
        return Variant(row=ROWS[2], split=self.split, gain=self.gain, seed=self.seed)

    def recipe(self, recipe: Recipe) -> Recipe:
        """`recipe`, changed in what this variant is, and in nothing else."""
        gain = recipe.model.spatial_gain if self.gain is None else self.gain
        attention = self.row.spatial_attention
        return replace(
            on_split(recipe, self.split),
            seed=recipe.seed + self.seed,
            model=replace(recipe.model, spatial_attention=attention, spatial_gain=gain),
            stage1=replace(
                recipe.stage1,
                **{
                    stream: tuple(
                        replace(phase, consensus=self.row.consensus)
                        for phase in getattr(recipe.stage1, stream)
                    )
                    for stream in ("rgb", "flow")
                },
            ),
            stage2=replace(recipe.stage2, seed=recipe.stage2.seed + (self.head or 0)),
        )


def on_split(recipe: Recipe, split: int) -> Recipe:
    """`recipe` with another official split of every set that has some."""
    return replace(
        recipe,
        sets={
            name: replace(described, split=split) if described.layout in OFFICIAL else described
            for name, described in recipe.sets.items()
        },
    )


def variants(
    *, splits: tuple[int, ...], gains: tuple[float, ...], seeds: int, heads: int
) -> list[Variant]:
    """Every model to train, in the order of the table: split by split, row by row, gain by gain.

    seeds: of the first stage. heads: seeds of the second stage, on each first stage.
    """
    return [
        Variant(row=row, split=split, gain=gain, seed=seed, head=head)
        for split in splits
        for row in ROWS
        for gain in (gains if row.spatial_attention else (None,))
        for seed in range(seeds)
        for head in (range(heads) if row.key_frames else (None,))
    ]


def full_gain(recipe: Recipe) -> float:
    """H·H: the gain with which the attention-weighted mean counts as much as the plain one."""
    return float(map_side(recipe.model.input_size) ** 2)
