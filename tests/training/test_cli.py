"""`gesta-train`: what a user reads, and the exit codes."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engine.bundle import Bundle
from training import export_command
from training.cli import main
from training.export import load_bundle, random_bundle
from training.model.backbone import FEATURE_WIDTHS
from training.model.build import ModelConfig
from training.random_model import random_model

COMMANDS = ("prepare", "stage1", "stage2", "calibrate", "evaluate", "run", "export", "quantise")
CONFIG = ModelConfig(classes=3, backbone="resnet18", hidden_width=4, input_size=32)
MANIFEST = {
    "name": "walks",
    "version": "1",
    "classes": ["idle", "run", "walk"],
    "resize": [40, 32],
    "grid_fps": 25.0,
    "sample_every": 1,
    "flows": {"dis": {"bound_px": 12.0}},
    "licence": "Apache-2.0",
}


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GESTA_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    file = tmp_path / "model.pt"
    state = random_model(CONFIG).state_dict()
    torch.save({"config": CONFIG.to_dict(), "state_dict": state, "manifest": MANIFEST}, file)
    return file


def complaint(capsys: pytest.CaptureFixture[str], arguments: list[str], *, exit_code: int) -> str:
    assert main(arguments) == exit_code
    text = capsys.readouterr().err
    assert text.startswith("gesta-train: ")
    assert "Traceback" not in text
    return text


def test_export_of_a_checkpoint(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bundle"
    assert main(["export", str(checkpoint), "--out", str(out), "--version", "2"]) == 0
    manifest = Bundle.open(out).manifest
    assert (manifest.name, manifest.version, manifest.classes) == (
        "walks",
        "2",
        ("idle", "run", "walk"),
    )
    said = capsys.readouterr().out
    assert "from the golden probabilities" in said  # the engine's gate ran
    assert "bundle 'walks' 2, 3 classes" in said
    assert load_bundle(out).rgb_head.classifier.out_features == 3


def test_export_of_random_weights(tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    sizes = ["--backbone", "resnet18", "--hidden-width", "4", "--input-size", "32"]
    assert main(["export", "--random", *sizes, "--classes", "5", "--out", str(out)]) == 0
    assert len(Bundle.open(out).manifest.classes) == 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "either a checkpoint or --random"),
        (["model.pt", "--random"], "either a checkpoint or --random"),
        (["none.pt"], "no checkpoint none.pt"),
        (["none.pt", "--hidden-width", "4"], "--hidden-width goes with --random only"),
        (["--random", "--input-size", "33"], "multiple of 16 from 32 on, instead got 33"),
        (["--random", "--classes", "1", "--input-size", "32"], "two or more"),
    ],
)
def test_wrong_use_gets_a_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], words: str
) -> None:
    out = ["--out", str(tmp_path / "bundle")]
    code = 4 if "two or more" in words else 2
    assert words in complaint(capsys, ["export", *arguments, *out], exit_code=code)
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("content", [b"", b"a text file\n"])
def test_a_file_that_is_no_checkpoint(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "file.pt"
    file.write_bytes(content)
    text = complaint(capsys, ["export", str(file), "--out", str(tmp_path / "b")], exit_code=2)
    assert "file.pt" in text


def test_a_checkpoint_of_one_stage_only(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "rgb.pt"
    torch.save({"state_dict": {}}, file)
    text = complaint(capsys, ["export", str(file), "--out", str(tmp_path / "b")], exit_code=2)
    assert "not the checkpoint of a whole model" in text


def test_weights_that_do_not_fit_their_configuration(
    capsys: pytest.CaptureFixture[str], checkpoint: Path, tmp_path: Path
) -> None:
    state = torch.load(checkpoint, weights_only=True)
    state["config"]["hidden_width"] = 5
    torch.save(state, checkpoint)
    arguments = ["export", str(checkpoint), "--out", str(tmp_path / "b")]
    assert "don't fit its own configuration" in complaint(capsys, arguments, exit_code=2)


def test_a_place_that_is_taken(
    capsys: pytest.CaptureFixture[str], checkpoint: Path, tmp_path: Path
) -> None:
    arguments = ["export", str(checkpoint), "--out", str(tmp_path)]
    assert "already there" in complaint(capsys, arguments, exit_code=5)


@pytest.mark.parametrize("arguments", [["--help"], ["export", "--help"]])
def test_help_says_what_a_stranger_needs(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert "bundle" in text
    assert "checkpoint" in text


def test_a_bug_is_called_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, checkpoint: Path
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("training.export.export_bundle", broken)
    assert main(["export", str(checkpoint), "--out", "x"]) == 70
    assert "this is a bug (ZeroDivisionError)" in capsys.readouterr().err


def test_what_random_bundles_are_offered_is_what_there_is() -> None:
    """Help states it without torch, so it stands there twice."""
    given = inspect.signature(random_bundle).parameters
    assert {name: default for name, default, _ in export_command.RANDOM} == {
        name: given[name].default for name, _, _ in export_command.RANDOM
    }
    assert set(export_command.BACKBONES) == set(FEATURE_WIDTHS)


def without(library: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`gesta-train ARGUMENTS` where a library is not installed."""
    code = (
        f"import sys; sys.modules[{library!r}] = None\n"
        f"from training.cli import main; sys.exit(main({list(arguments)!r}))"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_needs_no_torch(command: str | None) -> None:
    done = without("torch", *filter(None, [command]), "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: gesta-train")
    shown = set(done.stdout.split())
    assert (
        ("RECIPE" in shown or "CHECKPOINT" in shown or "BUNDLE" in shown)
        if command
        else set(COMMANDS) <= shown
    )


@pytest.mark.parametrize(
    ("library", "arguments"),
    [
        ("torch", ["run", "jhmdb-scenes", "--run", "{folder}"]),
        ("torchvision", ["stage1", "jhmdb-scenes", "--run", "{folder}"]),
        ("onnx", ["export", "--random", "--out", "{folder}"]),
    ],
)
def test_a_command_without_its_library_says_how_to_get_it(
    tmp_path: Path, library: str, arguments: list[str]
) -> None:
    folder = tmp_path / "new"
    done = without(library, *(each.replace("{folder}", str(folder)) for each in arguments))
    assert done.returncode == 2
    assert f"gesta-train: Training needs {library}, which is not installed" in done.stderr
    assert "pip install '.[training]'" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not folder.exists()


@pytest.mark.parametrize("threads", ["0", "-1", "two"])
def test_a_number_of_threads_that_is_none(capsys: pytest.CaptureFixture[str], threads: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(["stage1", "jhmdb-scenes", "--run", "x", "--threads", threads])
    assert end.value.code == 2
    assert "1 or more" in capsys.readouterr().err
