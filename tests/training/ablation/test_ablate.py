"""The whole command on a few drawn clips: four models, tables, and nothing done twice."""

import json
from pathlib import Path

import pytest
import torch

from tests.training.data.clips import write_clip
from training.cli import main
from training.errors import RecipeError

RECIPE = """
classes = ["left", "right"]
[sets.clips]
layout = "folder"
[sets.unseen]
layout = "folder"
use = "test"
[prepared]
size = [64, 48]
[model]
input_size = 32
hidden_width = 4
frames_per_segment = 3
[[stage1.rgb]]
draw = { clips = 4 }
epochs = 1
learning_rate = 1e-3
side = 32
batch = 4
micro_batch = 4
[[stage1.flow]]
draw = { clips = 4 }
epochs = 1
learning_rate = 1e-3
side = 32
batch = 4
micro_batch = 4
[stage2]
draw = { clips = 1 }
views = 1
iterations = 2
step_every = 2
batch = 4
folds = 2
[bundle]
name = "tiny"
version = "1"
licence = "Apache-2.0"
"""


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    (tmp_path / "tiny.toml").write_text(RECIPE, encoding="utf-8")
    for label, step_px in (("left", -3), ("right", 3)):
        for index in range(2):
            write_clip(tmp_path / "clips" / label / f"{index}.mp4", frames=10, step_px=step_px)
        write_clip(tmp_path / "unseen" / label / "0.mp4", frames=7, step_px=2 * step_px)
    data = [f"--data={name}={tmp_path / name}" for name in ("clips", "unseen")]
    run = ["--run", str(tmp_path / "run"), "--weights", "none", "--threads", "1"]
    return [str(tmp_path / "tiny.toml"), *data, *run]


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*.pt"))}


@pytest.mark.integration
@pytest.mark.timeout(600)  # half a minute on a core of its own
def test_four_models_are_trained_measured_and_set_beside_the_papers(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    options = ["--seeds", "2", "--gains", "1", "--crops", "1"]
    assert main(["ablate", *arguments, *options]) == 0
    assert "STA-TSN" in capsys.readouterr().out
    text = (run / "table2.md").read_text(encoding="utf-8")
    for words in ("SA-CNN+TSN - SA-CNN", "±", "mobilenet_v2", "from weights none", "--crops=1"):
        assert words in text
    (table,) = json.loads((run / "table2.json").read_text(encoding="utf-8"))["tables"]
    assert table["clips"] == 2
    assert [row["model"] for row in table["rows"]] == ["CNN", "SA-CNN", "SA-CNN+TSN", "STA-TSN"]
    assert [len(row["accuracy"]["rgb"]["values"]) for row in table["rows"]] == [1, 1, 1, 2]

    models = run / "split1" / "seed0"
    first = torch.load(models / "sa_cnn_tsn_gain1" / "rgb.pt", weights_only=True)
    cnn = torch.load(models / "cnn" / "rgb.pt", weights_only=True)
    assert any("attention" in key for key in first["state_dict"])
    assert not any("attention" in key for key in cnn["state_dict"])
    whole = torch.load(models / "sta_tsn_gain1_head1" / "model.pt", weights_only=True)
    key = "stream.attention.bias"
    assert torch.equal(whole["state_dict"]["rgb.attention.bias"], first["state_dict"][key])
    assert not (models / "cnn" / "features").exists()

    # A row is a run like others: it can be drawn, where it looks too.
    data = [word for word in arguments if word.startswith("--data")]
    assert main(["report", "--run", str(models / "sta_tsn_gain1_head1"), *data]) == 0
    pictures = {path.stem for path in (models / "sta_tsn_gain1_head1" / "report").glob("*.png")}
    assert {"curves", "confusion_unseen_dis", "attention_left_0"} <= pictures
    assert main(["report", "--run", str(run)]) == 0
    assert "Table 2" in (run / "report" / "index.html").read_text(encoding="utf-8")

    # Again, with one seed more: what is done stays done.
    before = times(run)
    options[1] = "3"
    assert main(["ablate", *arguments, *options]) == 0
    after = times(run)
    assert {path: after[path] for path in before} == before
    (table,) = json.loads((run / "table2.json").read_text(encoding="utf-8"))["tables"]
    assert len(table["rows"][-1]["accuracy"]["rgb"]["values"]) == 3

    # At another size the CNNs stay, and every row looks at the clips anew.
    measured = (models / "cnn" / "row.json").read_text(encoding="utf-8")
    Path(arguments[0]).write_text(RECIPE.replace("input_size = 32", "input_size = 48"))
    options[1] = "1"
    assert main(["ablate", *arguments, *options]) == 0
    assert (models / "cnn" / "row.json").read_text(encoding="utf-8") != measured
    assert times(models / "cnn") == {path: before[path] for path in times(models / "cnn")}

    # With other test clips every row is measured anew, and a set that is gone has no table.
    write_clip(tmp_path / "unseen" / "left" / "1.mp4", frames=7, step_px=-3)
    more = tmp_path / "more"
    write_clip(more / "left" / "0.mp4", frames=7, step_px=-3)
    text = RECIPE.replace("[prepared]", '[sets.more]\nlayout = "folder"\nuse = "test"\n[prepared]')
    Path(arguments[0]).write_text(text, encoding="utf-8")
    assert main(["ablate", *arguments, *options, f"--data=more={more}"]) == 0
    found = json.loads((run / "table2.json").read_text(encoding="utf-8"))["tables"]
    assert {each["data_set"]: each["clips"] for each in found} == {"unseen": 3, "more": 1}
    Path(arguments[0]).write_text(RECIPE, encoding="utf-8")
    assert main(["ablate", *arguments, *options]) == 0
    found = json.loads((run / "table2.json").read_text(encoding="utf-8"))["tables"]
    assert {each["data_set"]: each["clips"] for each in found} == {"unseen": 3}


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--gains=much", "--gains"),
        ("--gains=-1", "--gains"),
        ("--splits=4", "--splits"),
        ("--splits=2", "no set of this recipe has official splits"),
    ],
)
def test_options_that_do_not_fit_get_a_sentence(
    arguments: list[str], capsys: pytest.CaptureFixture[str], option: str, said: str
) -> None:
    assert main(["ablate", *arguments, option]) == RecipeError.exit_code
    assert said in capsys.readouterr().err.lower()
