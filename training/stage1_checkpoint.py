"""The first stage's checkpoint: all that a stopped run needs to go on as if it had not stopped.

What is random follows from the seed and the epoch, so no state of a generator is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from training.checkpoint import check_same, load_checkpoint
from training.model.build import Modality, ModelConfig
from training.recipe import Phase

_STATE = ("state_dict", "optimiser", "epochs", "phase", "config")
# What belongs to the second stage alone: the first doesn't depend on it.
LATER = ("hidden_width", "frames_per_segment", "segment_dropout", "input_size")


def described(
    modality: Modality,
    phases: Sequence[Phase],
    classes: Sequence[str],
    config: ModelConfig,
    *,
    precision: str,
    seed: int,
) -> dict[str, Any]:
    """What a checkpoint says of itself beside its state."""
    return {
        "stream": modality,
        "phases": msgspec.to_builtins(list(phases)),
        "classes": list(classes),
        "config": config.to_dict(),
        "precision": precision,
        "seed": seed,
    }


def read_stage1_checkpoint(path: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    """The state in `path`: state_dict, optimiser, epochs (done), phase (its number, from 0), ...

    wanted: what it must have been made of, some of what `described` gives; phases that it hasn't
    come to may differ.

    Raises CheckpointError where it can't be read, or was made of something else.
    """
    state = load_checkpoint(path, _STATE)
    _check(path, state, wanted)
    return state


def check_begun(path: Path, modality: Modality, phases: Sequence[Phase], *, trains: bool) -> None:
    """Raises CheckpointError where a phase that the checkpoint in `path` has begun is another now.

    trains: whether it will be gone on with. Where it won't, the newest phase may have become
        longer: the stage then is one that was stopped early.
    """
    state = load_checkpoint(path, _STATE)
    planned, newest = msgspec.to_builtins(list(phases)), state["phase"]
    if not trains and newest < len(planned) and "phases" in state:
        begun = state["phases"][newest]["epochs"]
        planned[newest]["epochs"] = min(planned[newest]["epochs"], begun)
    _check(path, state, {"stream": modality, "phases": planned})


def epochs_done(path: Path) -> int:
    """How many epochs the checkpoint in `path` has behind it, over all phases.

    Raises CheckpointError where it can't be read.
    """
    return int(load_checkpoint(path, ("epochs",))["epochs"])


def _check(path: Path, state: dict[str, Any], wanted: dict[str, Any]) -> None:
    known = [key for key in wanted if key in state]
    check_same(path, _comparable(state, known, state), _comparable(wanted, known, state))


def _comparable(values: dict[str, Any], keys: Sequence[str], state: dict[str, Any]) -> Any:
    """`values` under the names that a recipe has for them."""
    found = {key: values[key] for key in keys}
    if "phases" in found:
        begun = found.pop("phases")[: state["phase"] + 1]
        # Fields that came later have their defaults.
        phases = [msgspec.to_builtins(msgspec.convert(phase, Phase)) for phase in begun]
        found[f"stage1.{state.get('stream', 'phases')}"] = phases
    if "config" in found:
        model = ModelConfig.from_dict(found.pop("config")).to_dict()
        found["model"] = {key: value for key, value in model.items() if key not in LATER}
    return found
