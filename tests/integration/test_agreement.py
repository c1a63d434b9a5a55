"""`gesta check --clips`: a precision beside fp32, by the path that a camera takes."""

from pathlib import Path

import pytest

from stream.cli import main
from tests.integration.conftest import write_clip


def test_fp32_agrees_with_itself_on_every_prediction(
    small_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, frames in enumerate((12, 8)):
        write_clip(tmp_path / f"{number}.mp4", frames=frames)
    given = ["check", "--bundle", str(small_bundle), "--precision", "fp32"]
    assert main([*given, "--clips", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "agrees    in fp32, 100.00% of 20 predictions name fp32's action" in said
    assert "0.0e+00 at most" in said
    assert "holds" not in said  # what this machine holds is another question


def test_a_folder_without_videos_and_a_bundle_without_int8_are_sentences(
    small_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["check", "--bundle", str(small_bundle), "--clips", str(tmp_path)]
    assert main([*given, "--precision", "fp32"]) == 2
    assert "holds no videos" in capsys.readouterr().err
    assert main([*given, "--precision", "int8"]) == 4
    assert "has no int8 graphs; use --precision fp32" in capsys.readouterr().err
