"""Clips prepared with the flow tvl1 of the GPU: the CPU's flow, but for rounding."""

import cv2
import numpy as np
import pytest

from tests.engine.flow.pictures import PORTABLE
from tests.training.data.clips import write_clip
from training.data.annotations import read_folder
from training.data.frame_store import FrameStore
from training.data.preparation import Preparation, PreparedFlow
from training.data.prepare import prepare
from training.progress import Progress

pytestmark = pytest.mark.gpu

TVL1 = Preparation(size=(96, 72), flows={"tvl1": PreparedFlow(parameters=PORTABLE, bound_px=8.0)})


def test_the_gpu_prepares_what_the_cpu_does(gpu, tmp_path):
    if not hasattr(cv2, "optflow"):
        pytest.skip("OpenCV without optflow: install opencv-contrib-python-headless")
    write_clip(tmp_path / "videos" / "walk" / "a.mp4", frames=12)
    clips = read_folder(tmp_path / "videos")
    found = {}
    for device in ("cpu", "cuda"):
        store, log = FrameStore(tmp_path / device, TVL1), tmp_path / f"{device}.log"
        assert prepare(clips, store, progress=Progress(log=log), workers=1, device=device) == []
        assert not log.exists() or "on the CPU" not in log.read_text()
        found[device] = store.open(clips[0]).stacks_at([11]).astype(int)
    assert (found["cpu"] != 128).any()
    assert np.mean(np.abs(found["cpu"] - found["cuda"])) < 1.0  # of 127 steps to the bound
