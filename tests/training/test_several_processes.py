"""torchrun with two processes on this machine learns what one process learns."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.stage1_clips import phase, train

# Both add the same fp32 gradients, one process (((a + b) + c) + d), two (a + c) + (b + d): a last
# digit of difference, which grows a little with every step.
TOLERANCE = 1e-5

PHASES = (phase(epochs=1, micro_batch=1), phase(epochs=1, optimiser="sgd", mixup=0.4))

_CHILD = """
import sys
from pathlib import Path
from tests.training.stage1_clips import phase, train
from training.device import settle
from training.distributed import joined
from training.progress import QUIET, Progress

PHASES = (phase(epochs=1, micro_batch=1), phase(epochs=1, optimiser="sgd", mixup=0.4))
folder = Path(sys.argv[1])
with joined("cpu") as (group, device):
    settle(device)
    train(
        folder / "rgb.pt",
        PHASES,
        group=group,
        history=folder,
        progress=Progress(log=folder / "run.log") if group.leads else QUIET,
    )
"""


def _losses(folder: Path) -> list[tuple[float, float]]:
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [(line["loss"], line["right"]) for line in lines]


def _torchrun(processes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    command += ["--standalone", *arguments]
    return subprocess.run(
        command, env=environment, cwd=root, capture_output=True, text=True, timeout=280
    )


@pytest.mark.integration
@pytest.mark.timeout(300)  # ten seconds where nothing else runs, mostly imports
def test_two_processes_have_the_losses_of_one(tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text(_CHILD)
    both, alone = tmp_path / "both", tmp_path / "alone"
    done = _torchrun(2, str(script), str(both))
    assert done.returncode == 0, done.stderr
    found = train(alone / "rgb.pt", PHASES, history=alone).state_dict()

    for one, other in zip(_losses(alone), _losses(both), strict=True):
        assert other == pytest.approx(one, rel=TOLERANCE)
    state: dict[str, Any] = torch.load(both / "rgb.pt", weights_only=True)
    for key, value in found.items():
        torch.testing.assert_close(state["state_dict"][key], value, rtol=0, atol=TOLERANCE)
    log = (both / "run.log").read_text().splitlines()
    assert len(log) == len(PHASES)  # one process tells of each epoch
