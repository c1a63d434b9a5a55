"""Windows for the second stage, and that its head learns which frames matter."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from training.errors import RecipeError
from training.model.key_frames import KeyFrameExploration
from training.progress import QUIET, Progress
from training.recipe import Stage2
from training.stage2 import FeatureClip, train_stage2, window_batch


def _clip(ticks: int, label: int = 0) -> FeatureClip:
    view = np.arange(ticks, dtype=np.float32)[:, None].repeat(4, axis=1)  # the tick is the feature
    return FeatureClip(label, (view,), np.arange(ticks) % 2 == 0)


def test_windows_are_spread_or_what_a_stream_holds() -> None:
    rng = np.random.default_rng(0)
    shapes = set()
    for _ in range(300):
        features, labels, false = window_batch([_clip(40)] * 2, 3, 10, rng)
        n, t = features.shape[1:3]
        shapes.add((n, t))
        ticks = features[..., 0].flatten(1)  # [B, n·t]
        steps = ticks.diff(dim=1)
        if n * t < 30:
            assert (steps == 1).all()
        assert (steps >= 0).all()
        assert (false.flatten(1) == (ticks % 2 == 0)).all()
        assert labels.tolist() == [0, 0]
    assert shapes == {(1, t) for t in range(1, 11)} | {(2, 10), (3, 10)}


def test_a_streams_windows_are_of_each_so_manieth_tick() -> None:
    """A stream that samples each third tick: 30 samples span 88 ticks."""
    rng, spans = np.random.default_rng(0), set()
    for _ in range(300):
        features, _, false = window_batch([_clip(88), _clip(20)], 3, 10, rng, sample_every=3)
        n, t = features.shape[1:3]
        ticks = features[..., 0].flatten(1)
        steps = ticks.diff(dim=1)
        if len(ticks) == 1:  # 20 ticks hold 7 samples
            assert n * t > 7
        if (steps == 3).all():
            spans.add(n * t)
        else:
            assert (n, t) == (3, 10)  # spread over the clip
        assert (false.flatten(1) == (ticks % 2 == 0)).all()
    assert spans == {*range(1, 11), 20, 30}


def test_clips_too_short_for_a_window_sit_it_out() -> None:
    rng = np.random.default_rng(1)
    for _ in range(100):
        features, labels, _ = window_batch([_clip(12, 0), _clip(40, 1)], 3, 10, rng)
        if features.shape[1:3].numel() > 12 and len(labels) == 1:
            assert labels.tolist() == [1]
    features, _, _ = window_batch([_clip(1)], 3, 10, rng)
    assert len(features) == 1


@pytest.mark.parametrize("regularised", [True, False])
def test_the_head_turns_to_the_frames_that_show_the_action(regularised: bool) -> None:
    """Frames are noise but for two ticks a segment; only those tell the classes apart."""
    rng = np.random.default_rng(2)
    clips = []
    for index in range(64):
        view = rng.normal(0, 0.5, (30, 6)).astype(np.float32)
        shown = np.arange(30) % 10 >= 8
        view[shown, index % 2] += 2.0
        view[shown, 5] += 2.0  # what the LSTM can tell those frames by
        false = ~shown if regularised else np.zeros(30, np.bool_)
        clips.append(FeatureClip(index % 2, (view,), false))
    settings = Stage2(
        draw={"a": 1}, iterations=150, step_every=100, learning_rate=0.2, batch=32, weight_decay=0.0
    )
    torch.manual_seed(0)
    head = train_stage2(
        "rgb",
        {"a": clips},
        KeyFrameExploration(width=6, hidden=8, classes=2),
        settings=settings,
        segments=3,
        frames_per_segment=10,
        seed=0,
        progress=Progress(),
    )
    window = torch.from_numpy(np.stack([clip.views[0] for clip in clips])).view(64, 3, 10, 6)
    with torch.inference_mode():
        scores, beta = head(window)
    assert (scores.mean(1).argmax(1) == torch.arange(64) % 2).float().mean() > 0.95
    if regularised:
        assert beta[..., 8:].sum(2).mean() > 0.4  # even attention would give 0.2


def _learn(
    folder: Path,
    *,
    iterations: int = 600,
    seed: int = 0,
    progress: Progress = QUIET,
    trained_on: str = "a",
    classifier_rate: float = 1.0,
    learning_rate: float = 1e-3,
) -> KeyFrameExploration:
    """On noise, with dropout; the learning rate falls at 200 and 400."""
    rng = np.random.default_rng(5)
    clips = [
        FeatureClip(n % 2, (rng.normal(0, 1, (12, 4)).astype(np.float32),), np.arange(12) < 3)
        for n in range(8)
    ]
    torch.manual_seed(seed)
    return train_stage2(
        "flow",
        {"a": clips},
        KeyFrameExploration(width=4, hidden=3, classes=2, dropout=0.5),
        settings=Stage2(
            draw={"a": 1},
            iterations=iterations,
            step_every=200,
            classifier_rate=classifier_rate,
            learning_rate=learning_rate,
            batch=4,
        ),
        segments=2,
        frames_per_segment=3,
        seed=seed,
        progress=progress,
        checkpoint=folder / "flow_head.pt",
        trained_on={"stream": trained_on},
        history=folder,
    )


def test_a_loss_that_is_no_number_stops_before_it_is_kept(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"flow key frames 100/600.*lower `stage2.learning_rate`"):
        _learn(tmp_path, learning_rate=1e30)
    assert not (tmp_path / "flow_head.pt").exists()


def test_the_first_stages_classifier_may_stay_as_it_is(tmp_path: Path) -> None:
    torch.manual_seed(0)
    before = KeyFrameExploration(width=4, hidden=3, classes=2).state_dict()  # as `_learn` begins
    after = _learn(tmp_path, iterations=20, classifier_rate=0.0).state_dict()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed == {key for key in before if not key.startswith("classifier.")}


def test_a_stopped_second_stage_ends_with_the_same_weights_and_history(tmp_path: Path) -> None:
    class Stop(Progress):
        def note(self, line: str) -> None:
            if "600/600" in line:
                raise KeyboardInterrupt

    whole = _learn(tmp_path / "whole").state_dict()
    with pytest.raises(KeyboardInterrupt):
        _learn(tmp_path / "stopped", progress=Stop())
    found = _learn(tmp_path / "stopped").state_dict()
    for key, value in whole.items():
        assert torch.equal(found[key], value), key

    lines, expected = (
        [json.loads(line) for line in (tmp_path / name / "history.jsonl").read_text().splitlines()]
        for name in ("stopped", "whole")
    )
    for line in (*lines, *expected):
        line.pop("seconds")
    assert lines == expected
    assert [line["iteration"] for line in lines] == list(range(100, 601, 100))
    assert [line["phase"] for line in lines] == [1, 1, 2, 2, 3, 3]
    rates = [line["learning_rate"] for line in lines]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5])
    for line in lines:
        assert line["loss"] == pytest.approx(line["cross_entropy"] + line["regularisation"])
        assert 0.15 < line["judged_false"] < 0.4  # 3 of 12 ticks, as windows fall


def test_a_head_of_another_first_stage_is_trained_again(tmp_path: Path) -> None:
    _learn(tmp_path, iterations=20)
    again = _learn(tmp_path, iterations=20, trained_on="b").state_dict()
    fresh = _learn(tmp_path / "fresh", iterations=20, trained_on="b").state_dict()
    other = _learn(tmp_path / "other", iterations=20, seed=1).state_dict()
    assert all(torch.equal(again[key], fresh[key]) for key in fresh)
    assert not torch.equal(other["attention.weight"], fresh["attention.weight"])
