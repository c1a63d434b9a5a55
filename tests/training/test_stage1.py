"""The first stage: a phase does what it says, and a stopped run ends as if it had not stopped."""

import json
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.training.stage1_clips import CLASSES, CONFIG, phase, stored_clips, train
from training.data.batches import batches, draw
from training.errors import CheckpointError, OutputError, RecipeError
from training.model.build import build_frame_classifier
from training.progress import Progress


class StopAfter(Progress):
    """Stops as a user's Ctrl-C would, once an epoch has ended but isn't written yet."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words

    def note(self, line: str) -> None:
        if self._words in line:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("stopped_at", "options"),
    [
        ("phase 1 epoch 2/2", {"optimiser": "adamw", "mixup": 0.4}),
        ("phase 2 epoch 1/2", {"optimiser": "sgd", "batch_norm": "trained"}),
        ("phase 2 epoch 2/2", {"optimiser": "sgd", "batch_norm": "partial", "crops": "corners"}),
    ],
)
def test_a_stopped_run_ends_with_the_same_weights_and_history(
    tmp_path: Path, stopped_at: str, options: dict[str, Any]
) -> None:
    phases = (phase(**options), phase(**options, learning_rate=5e-4))
    (tmp_path / "whole").mkdir()
    whole = train(tmp_path / "whole" / "rgb.pt", phases, history=tmp_path / "whole").state_dict()
    folder = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        train(folder / "rgb.pt", phases, history=folder, progress=StopAfter(stopped_at))
    # However many threads prepare batches, and whatever else torch drew in between.
    torch.rand(7)
    found = train(folder / "rgb.pt", phases, history=folder, threads=2).state_dict()
    for key, value in whole.items():
        assert torch.equal(found[key], value), key
    lines, expected = (
        [json.loads(line) for line in (place / "history.jsonl").read_text().splitlines()]
        for place in (folder, tmp_path / "whole")
    )
    for line in (*lines, *expected):
        assert line.pop("seconds") > 0
    assert lines == expected
    assert [(line["phase"], line["epoch"], line["iteration"]) for line in lines] == [
        (1, 1, 2),
        (1, 2, 4),
        (2, 1, 6),
        (2, 2, 8),
    ]
    assert {"stage1", "rgb"} == {lines[0]["stage"], lines[0]["stream"]}


def test_a_loss_that_is_no_number_stops_before_it_is_kept(tmp_path: Path) -> None:
    with pytest.raises(
        RecipeError, match=r"rgb phase 1 epoch \d.*lower the phase's `learning_rate`"
    ):
        train(tmp_path / "rgb.pt", (phase(optimiser="sgd", learning_rate=1e30),))
    assert not (tmp_path / "rgb.pt").exists()


def test_the_first_step_is_the_mean_gradient_of_its_clips(tmp_path: Path) -> None:
    """Plain SGD, worked out beside the loop: one step of four clips as two micro-batches."""
    settings = phase(
        draw={"a": 4},
        epochs=1,
        optimiser="sgd",
        momentum=0.0,
        weight_decay=0.0,
        label_smoothing=0.0,
        learning_rate=0.01,
        warm_up_epochs=0.0,
    )
    config = type(CONFIG)(classes=2, input_size=32, frame_dropout=0.0)
    found = train(tmp_path / "rgb.pt", (settings,), config=config)

    torch.manual_seed(3)
    model = build_frame_classifier(config, "rgb").eval()  # frozen batch norm, no dropout
    clips = draw({"a": stored_clips()}, {"a": 4}, np.random.default_rng((3, 0)))
    (batch,) = batches(clips, CLASSES, "rgb", segments=3, side=32, size=4, seed=(3, 0, 1))
    loss = nn.functional.cross_entropy(model.consensus(batch.images), batch.labels)
    loss.backward()
    weight = model.classifier.weight
    assert weight.grad is not None
    norm = torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm()
    expected = weight - 0.01 * weight.grad * min(1.0, 5.0 / norm.item())
    torch.testing.assert_close(found.classifier.weight, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("batch_norm", "moving"), [("frozen", "none"), ("partial", "first"), ("trained", "all")]
)
def test_statistics_move_where_batch_norm_is_trained(
    tmp_path: Path, batch_norm: str, moving: str
) -> None:
    found = train(tmp_path / "rgb.pt", (phase(epochs=1, batch_norm=batch_norm),))
    norms = [module for module in found.modules() if isinstance(module, nn.BatchNorm2d)]
    moved = [bool(norm.running_mean.abs().max() > 0) for norm in norms]  # type: ignore[union-attr]
    assert (
        moved
        == {
            "none": [False] * len(norms),
            "first": [True] + [False] * (len(norms) - 1),
            "all": [True] * len(norms),
        }[moving]
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"learning_rate": 2e-3}, r"`stage1.rgb\[0\].learning_rate` is 0.002"),
        ({"seed": 4}, "`seed` is 4, and was 3"),
        ({"precision": "bf16"}, "`precision`"),
        ({"config": type(CONFIG)(classes=2, spatial_gain=2.0)}, "`model.spatial_gain` is 2.0"),
        ({"config": type(CONFIG)(classes=2, backbone="resnet18")}, "`model.backbone`"),
        ({"modality": "flow"}, "`stream` is 'flow', and was 'rgb'"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    path = tmp_path / "rgb.pt"
    train(path, (phase(epochs=1),))
    before = path.read_bytes()
    of_phase = {key: change.pop(key) for key in ("learning_rate",) if key in change}
    with pytest.raises(CheckpointError, match=words):
        train(path, (phase(epochs=1, **of_phase),), **change)
    assert path.read_bytes() == before


def test_later_phases_and_what_is_of_the_second_stage_may_change(tmp_path: Path) -> None:
    path = tmp_path / "rgb.pt"
    train(path, (phase(epochs=1),))
    config = type(CONFIG)(classes=2, input_size=64, hidden_width=8)
    train(path, (phase(epochs=1), phase(epochs=1, side=64)), config=config)
    assert torch.load(path, weights_only=True)["epochs"] == 2


def test_a_disk_without_room_keeps_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rgb.pt"
    train(path, (phase(epochs=1),))
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(OutputError, match="free some space"):
            train(path, (phase(epochs=1), phase(epochs=1)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [file.name for file in tmp_path.iterdir()] == ["rgb.pt"]
    assert path.read_bytes() == before
