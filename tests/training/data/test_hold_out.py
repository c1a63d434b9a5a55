"""Clips held out of training: whole sources, the same ones each time, and never a whole class."""

from pathlib import Path

from training.data.annotations import Clip
from training.data.hold_out import hold_out


def _clips(label: str, sources: int, of_each: int = 3) -> list[Clip]:
    return [
        Clip(Path(f"{label}{source}_{label}_f_nm_np1_fr_goo_{n}.mp4"), label)
        for source in range(sources)
        for n in range(of_each)
    ]


CLIPS = _clips("run", 12) + _clips("sit", 8)


def test_a_share_of_the_sources_is_held_out_whole() -> None:
    train, held = hold_out(CLIPS, 0.1, seed=0)
    assert sorted([*train, *held], key=CLIPS.index) == CLIPS
    assert len(held) == 6  # two of twenty sources, three clips each
    assert not {clip.group for clip in train} & {clip.group for clip in held}


def test_the_seed_alone_decides() -> None:
    assert hold_out(CLIPS, 0.2, seed=1) == hold_out(CLIPS, 0.2, seed=1)
    assert len({tuple(hold_out(CLIPS, 0.2, seed=seed)[1]) for seed in range(5)}) > 1
    assert hold_out(CLIPS, 0.0, seed=1) == (CLIPS, [])


def test_every_class_keeps_a_source_to_train_on() -> None:
    clips = _clips("run", 6) + _clips("sit", 1)
    for seed in range(5):
        train, held = hold_out(clips, 0.9, seed=seed)
        assert {clip.label for clip in train} == {"run", "sit"}
        assert len(held) == 15  # six of seven were asked for, and five can go
