"""What an epoch draws, and what a batch of the first stage holds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from training.data.batches import batches, draw
from training.data.frame_store import StoredClip
from training.errors import DataError
from training.model.build import Modality


def _clip(name: str, label: str = "walk", ticks: int = 6) -> StoredClip:
    frames = np.zeros((ticks, 48, 64, 3), np.uint8)
    frames[:] = np.arange(ticks).reshape(-1, 1, 1, 1)
    flow = np.full((ticks, 2, 48, 64), 128, np.uint8)
    flow[1:, 0] = 140  # everything goes right
    return StoredClip(name, label, name, frames, flow)


def test_an_epoch_goes_through_a_set_before_it_repeats() -> None:
    sets = {"real": [_clip(f"r{n}") for n in range(5)], "drawn": [_clip(f"d{n}") for n in range(9)]}
    clips = draw(sets, {"real": 10, "drawn": 4}, np.random.default_rng(0))
    names = sorted(Path(clip.key).name for clip in clips)
    real = [name for name in names if name[0] == "r"]
    assert real == sorted(f"r{n}" for n in range(5) for _ in "ab")
    drawn = [name for name in names if name[0] == "d"]
    assert len(drawn) == len(set(drawn)) == 4


@pytest.mark.parametrize(("modality", "shape"), [("rgb", (32, 32, 3)), ("flow", (20, 32, 32))])
def test_batches_have_one_image_a_segment(modality: Modality, shape: tuple[int, ...]) -> None:
    clips = [_clip("a", "walk"), _clip("b", "wave"), _clip("c", "wave")]
    found = list(
        batches(
            clips,
            ("walk", "wave"),
            modality,
            segments=3,
            side=32,
            size=2,
            seed=(0,),
        )
    )
    assert [batch.images.shape for batch in found] == [(2, 3, *shape), (1, 3, *shape)]
    assert [batch.labels.tolist() for batch in found] == [[0, 1], [1]]


def test_flow_to_the_right_goes_left_in_a_mirrored_batch_and_never_else() -> None:
    seen = set()
    for number in range(20):
        options = {"segments": 1, "side": 32, "size": 1, "seed": (0, number)}
        (batch,) = batches([_clip("a", ticks=30)], ("walk",), "flow", **options)  # type: ignore[arg-type]
        stack = batch.images[0, 0]
        assert (stack[1::2] == 128).all()
        seen |= set(stack[0::2].unique().tolist())
    assert {max(value, 256 - value) for value in seen} <= {128, 140, 152, 164}
    assert {116, 140} <= seen


@pytest.mark.parametrize("modality", ["rgb", "flow"])
def test_a_batch_is_the_same_whoever_prepares_it(modality: Modality) -> None:
    clips = [_clip(f"c{number}", ticks=20 + number) for number in range(13)]
    options = {"segments": 3, "side": 32, "size": 2, "seed": (5, 1)}
    whole = list(batches(clips, ("walk",), modality, **options))  # type: ignore[arg-type]
    assert [batch.number for batch in whole] == list(range(7))
    for threads in (1, 3):
        ahead = batches(clips, ("walk",), modality, threads=threads, **options)  # type: ignore[arg-type]
        for one, other in zip(whole, ahead, strict=True):
            assert torch.equal(one.images, other.images)
    some = list(batches(clips, ("walk",), modality, numbers=[4, 1], **options))  # type: ignore[arg-type]
    assert [batch.number for batch in some] == [4, 1]
    assert torch.equal(some[0].images, whole[4].images)
    other = next(batches(clips, ("walk",), modality, **{**options, "seed": (5, 2)}))  # type: ignore[arg-type]
    assert not torch.equal(other.images, whole[0].images)


def test_a_flow_phase_draws_each_clips_flow_from_those_that_it_names() -> None:
    def clip(name: str) -> StoredClip:
        dis, tvl1 = (np.full((12, 2, 48, 64), 128, np.uint8) for _ in "ab")
        tvl1[:, 1] = 150  # only here does anything go down
        frames = np.zeros((12, 48, 64, 3), np.uint8)
        return StoredClip(name, "walk", name, frames, dis, other_flows={"tvl1": tvl1})

    def seen(modality: Modality, flows: tuple[str, ...]) -> list[bool]:
        options = {"segments": 2, "side": 32, "size": 1, "seed": (0,), "flows": flows}
        clips = [clip(f"{index}") for index in range(40)]
        found = batches(clips, ("walk",), modality, **options)  # type: ignore[arg-type]
        return [bool((batch.images[0] > 128).any()) for batch in found]

    both = seen("flow", ("dis", "tvl1"))
    assert 8 < sum(both) < 32
    assert not any(seen("flow", ()))
    assert all(seen("flow", ("tvl1",)))
    assert all(seen("flow", ("farneback", "tvl1")))  # of those that its set has
    with pytest.raises(DataError, match="farneback"):
        seen("flow", ("farneback",))


def test_some_clips_are_seen_from_further_away() -> None:
    flow = np.full((12, 2, 48, 64), 128, np.uint8)
    flow[..., :24] += 50  # most of the picture stands still: what all of it does is the camera's
    clips = [
        StoredClip(f"{index}", "walk", f"{index}", np.zeros((12, 48, 64, 3), np.uint8), flow)
        for index in range(60)
    ]

    def far_ones(far: float, *, from_afar: bool = False) -> int:
        given = [replace(clip, from_afar=from_afar) for clip in clips]
        found = batches(given, ("walk",), "flow", segments=1, side=32, size=1, seed=(0,), far=far)
        # The y of the last pair: a slow camera shows none, or several steps at once.
        y = [batch.images[0, 0, 1::2].numpy().astype(int) - 128 for batch in found]
        return sum(0 < each.max() <= 40 for each in y)  # 50 at 1.25 times the distance

    assert far_ones(0.0) == 0
    assert 20 < far_ones(0.5) < 40
    assert far_ones(1.0) > 40  # the rest have slow cameras
    assert far_ones(1.0, from_afar=True) == 0
