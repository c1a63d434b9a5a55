"""`gesta-train teach`, from a folder of clips to a bundle that the daemon runs."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.bundle import Bundle
from tests.training.data.clips import write_clip
from training.cli import main
from training.export import random_bundle

# Lessons in processes of their own, each with torch: on a machine that does other things too.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny bundle, and clips of squares that go left or right."""
    place = tmp_path_factory.mktemp("teach")
    random_bundle(
        place / "old", backbone="resnet18", hidden_width=4, input_size=32, classes=3, name="old"
    )
    for index in range(4):
        for label, step_px in (("left", -3), ("right", 3)):
            write_clip(
                place / "clips" / label / f"{label}{index}.mp4",
                frames=14 + 8 * index,
                step_px=step_px - index % 2,
            )
    (place / "clips" / "left" / "damaged.mp4").write_text("no video")
    for label in ("class_00", "class_02"):
        (place / "known" / label).mkdir(parents=True)
        for index in range(2):
            shutil.copy(
                place / "clips" / "left" / f"left{index}.mp4",
                place / "known" / label / f"{label}{index}.mp4",
            )
    return place


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    monkeypatch.setenv("GESTA_CACHE", str(place / "cache"))


def _teach(place: Path, out: Path, *arguments: str, clips: str = "clips") -> int:
    return main(
        [
            *("teach", str(place / clips), "--out", str(out), "--from", str(place / "old")),
            *("--work", str(place / "work"), "--workers", "2", *arguments),
        ]
    )


def test_a_new_bundle_with_what_was_measured(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "directions"
    (tmp_path / "groups").write_text("left0 one\nleft1 one\nright0 one\n")
    assert _teach(place, out, "--groups", str(tmp_path / "groups"), "--licence", "mine") == 0
    said = capsys.readouterr()
    assert "damaged.mp4" in said.err
    assert "1 clips left out, 8 used" in said.err
    assert "sources left out, in turn:" in said.out
    assert "of 8 clips right (standard error" in said.out
    assert "from the golden probabilities" in said.out  # the engine's gate
    manifest = Bundle.open(out).manifest
    assert (manifest.name, manifest.classes) == ("directions", ("left", "right"))
    assert (manifest.resize, manifest.grid_fps, manifest.abstain_below) == ((44, 35), 25.0, 0.0)
    assert manifest.licence == "CNNs of bundle 'old': Apache-2.0; heads: mine"
    assert "taught from bundle 'old' 0" in manifest.attribution
    by_stream = {(a.protocol, a.streams): a for a in manifest.accuracy}
    whole = by_stream["grid, mean of a clip's windows", "rgb+flow"]
    assert whole.data_set == "clips"
    assert whole.split == "5 folds by source, each left out once"
    assert "8 clips of 6 sources, standard error" in whole.note
    assert "calibration error" in whole.note
    assert manifest.flows["dis"].accuracy == whole.value
    with (place / "work" / "left_out.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert {row["source"] for row in rows if row["clip"].endswith("right0.mp4")} == {"one"}
    right = sum(row["true"] == row["predicted"] for row in rows) / 8
    assert right == pytest.approx(whole.value)

    # Again, elsewhere: the features are found, and the same bundle comes out.
    kept = {path: path.stat().st_mtime_ns for path in (place / "work" / "features").iterdir()}
    again = tmp_path / "again"
    arguments = ["--groups", str(tmp_path / "groups"), "--licence", "mine", "--name", "directions"]
    assert _teach(place, again, *arguments) == 0
    assert {p: p.stat().st_mtime_ns for p in (place / "work" / "features").iterdir()} == kept
    assert Bundle.open(again).sha256 == Bundle.open(out).sha256

    done = subprocess.run(
        [
            *(sys.executable, "-m", "stream.cli", "replay", "--json", "--bundle", str(out)),
            str(place / "clips" / "left" / "left3.mp4"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["window"]["complete"]
    assert last["top"][0]["label"] == "left"


def test_kept_classes_stay_in_the_bundle(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "more"
    assert _teach(place, out, "--keep-classes", str(place / "known"), "--test", "none") == 3
    assert "none" in capsys.readouterr().err
    (tmp_path / "test").write_text("left3\n")
    arguments = ["--keep-classes", str(place / "known"), "--test", str(tmp_path / "test")]
    assert _teach(place, out, *arguments) == 0
    said = capsys.readouterr().out
    assert "clips of the old classes:" in said
    assert "not known what they lose: class_01" in said
    assert "test part:" in said
    manifest = Bundle.open(out).manifest
    assert manifest.classes == ("class_00", "class_01", "class_02", "left", "right")
    assert manifest.accuracy[0].split == "test part, unseen sources"
    assert manifest.accuracy[0].note.startswith("1 clips of 1 sources")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--from", "ghost"), 4, "there is no bundle 'ghost'"),
        (("--flow", "tvl1"), 2, "not trained on flow 'tvl1': use dis"),
        (("--keep-classes",), 2, "give a folder with some clips of them"),
        (("--name", "a/b"), 3, "'a/b' is no good as a name"),
        (("--groups", "ghost"), 3, "can't be read as a list of groups"),
    ],
)
def test_wrong_use_gets_a_sentence(
    place: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    assert _teach(place, tmp_path / "out", *arguments) == code
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_a_place_that_is_taken(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert _teach(place, tmp_path) == 5
    assert "is already there" in capsys.readouterr().err


def test_a_folder_that_is_none(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _teach(place, tmp_path / "out", clips="ghost") == 3
    assert "There is no folder" in capsys.readouterr().err


def test_a_class_whose_clips_are_all_damaged(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(place / "clips", tmp_path / "clips")
    for clip in (tmp_path / "clips" / "right").iterdir():
        clip.write_bytes(b"no video")
    arguments = ["teach", str(tmp_path / "clips"), "--out", str(tmp_path / "out")]
    places = ["--from", str(place / "old"), "--work", str(place / "work")]
    assert main([*arguments, *places, "--workers", "1"]) == 3
    error = capsys.readouterr().err
    assert "5 clips left out, 4 used" in error
    assert "'right' has 0 clips of 0 sources" in error


@pytest.mark.integration
def test_the_default_bundle_learns_from_a_dozen_real_clips(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fights and their absence, of four sources; too few to say more than that it works."""
    fights = data_dir / "surv_fight_240p"
    sources = {
        "a": ("fi001", "fi002", "nofi001", "nofi002"),
        "b": ("fi005", "fi006", "nofi150"),
        "c": ("fi013", "nofi018"),
        "d": ("fi015", "fi016", "nofi016"),
    }
    lines = []
    for source, names in sources.items():
        for name in names:
            label = "fight" if name.startswith("fi") else "noFight"
            (tmp_path / "clips" / label).mkdir(parents=True, exist_ok=True)
            (tmp_path / "clips" / label / f"{name}.mp4").symlink_to(fights / label / f"{name}.mp4")
            lines.append(f"{name} {source}\n")
    (tmp_path / "groups").write_text("".join(lines))
    out = tmp_path / "fights"
    arguments = ["teach", str(tmp_path / "clips"), "--out", str(out)]
    assert main([*arguments, "--groups", str(tmp_path / "groups"), "--workers", "2"]) == 0
    assert "of 12 clips right" in capsys.readouterr().out
    manifest = Bundle.open(out).manifest
    assert manifest.classes == ("fight", "noFight")
    assert manifest.calibration.fusion == Bundle.open("default").manifest.calibration.fusion
    assert manifest.calibration.fusion == "scores"
    assert 0.05 < manifest.calibration.fused < 20
