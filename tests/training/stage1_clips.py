"""A first stage small enough for a test: arrays as clips, a few phases, and how to train it."""

from pathlib import Path
from typing import Any

import numpy as np

from training.data.frame_store import StoredClip
from training.model.build import Modality, ModelConfig
from training.model.sta_tsn import FrameClassifier
from training.progress import QUIET, Progress
from training.recipe import Phase
from training.stage1 import train_stage1

CLASSES = ("left", "right")
CONFIG = ModelConfig(classes=2, input_size=32, frame_dropout=0.5)


def stored_clips(count: int = 6) -> list[StoredClip]:
    rng = np.random.default_rng(0)
    clips = []
    for number in range(count):
        frames = rng.integers(0, 256, (12, 36, 44, 3)).astype(np.uint8)
        flow = rng.integers(1, 256, (12, 2, 36, 44)).astype(np.uint8)
        label = CLASSES[number % 2]
        clips.append(StoredClip(f"{label}/{number}", label, str(number), frames, flow))
    return clips


def phase(**changes: Any) -> Phase:
    """5 of the 6 clips an epoch, in steps of 4 as two micro-batches; the last step has one clip."""
    usual = {"draw": {"a": 5}, "epochs": 2, "learning_rate": 1e-3, "side": 32}
    return Phase(**{**usual, "batch": 4, "micro_batch": 2, **changes})


def train(
    checkpoint: Path,
    phases: tuple[Phase, ...],
    *,
    modality: Modality = "rgb",
    progress: Progress = QUIET,
    **changes: Any,
) -> FrameClassifier:
    options: dict[str, Any] = {"config": CONFIG, "weights": "none", "precision": "fp32", "seed": 3}
    return train_stage1(
        modality,
        phases,
        {"a": stored_clips()},
        CLASSES,
        checkpoint=checkpoint,
        progress=progress,
        **{**options, **changes},
    )
