"""Clips held out of training: whole sources, the same ones each time, and never a whole class."""

from collections import Counter
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


def test_a_share_of_each_class_is_held_out_in_whole_sources() -> None:
    train, held = hold_out(CLIPS, 0.2, seed=0)
    assert sorted([*train, *held], key=CLIPS.index) == CLIPS
    # 7.2 of 36 clips of running are two sources of three; 4.8 of 24 are one.
    assert Counter(clip.label for clip in held) == {"run": 6, "sit": 3}
    assert not {clip.group for clip in train} & {clip.group for clip in held}


def test_no_class_gives_up_more_than_its_share_to_a_large_source() -> None:
    clips = _clips("run", 4, of_each=8) + _clips("sit", 30, of_each=1)
    for seed in range(5):
        held = hold_out(clips, 0.1, seed=seed)[1]
        assert Counter(clip.label for clip in held) == {"sit": 3}


def test_the_seed_alone_decides() -> None:
    assert hold_out(CLIPS, 0.2, seed=1) == hold_out(CLIPS, 0.2, seed=1)
    assert len({tuple(hold_out(CLIPS, 0.2, seed=seed)[1]) for seed in range(5)}) > 1
    assert hold_out(CLIPS, 0.0, seed=1) == (CLIPS, [])


def test_every_class_keeps_a_source_to_train_on() -> None:
    clips = _clips("run", 6) + _clips("sit", 1)
    for seed in range(5):
        train, held = hold_out(clips, 0.9, seed=seed)
        assert {clip.label for clip in train} == {"run", "sit"}
        assert len(held) == 15  # 16 of 18 clips were asked for
