"""TV-L1 on a real GPU, against the CPU's."""

import cv2
import numpy as np
import pytest

from engine.bundle import Bundle
from engine.flow.open import open_default_flow
from engine.flow.tvl1_cuda import CudaTvL1Flow, TvL1Batch
from engine.flow.tvl1_plan import REGION_BLOCK, TvL1Plan
from engine.flow.tvl1_settings import TvL1Settings
from tests.engine.flow import tvl1_numpy
from tests.engine.flow.pictures import (
    PORTABLE,
    end_point_error_px,
    moving,
    rubber_whale,
    video_pair,
)

pytestmark = pytest.mark.gpu

SETTINGS = TvL1Settings.of(PORTABLE)
NUMPY = tvl1_numpy.Parameters(**PORTABLE)
CLIPS = [
    "jhmdb/videos/golf/Eric_Axley_golf_f_cm_np1_le_goo_0.mp4",
    "surv_fight_240p/fight/fi002.mp4",
]


class OnGpu:
    """A plan's batch with the host's ends; the GPU is current while a test uses it."""

    def __init__(self, gpu, plan):
        self.gpu, self.plan = gpu, plan
        self.batch, self.stream = TvL1Batch(plan, gpu), gpu.stream()

    def fill(self, pairs):
        for name, pictures in zip(("previous", "current"), zip(*pairs, strict=True), strict=True):
            self.gpu.upload(self.batch.memory[name], np.stack(pictures), self.stream)
        self.gpu.wait(self.stream)

    def flow(self):
        found = np.empty((self.plan.pairs, 2, self.plan.height, self.plan.width), np.float32)
        self.gpu.download(found, self.batch.memory["flow"], self.stream)
        self.gpu.wait(self.stream)
        return found

    def run(self, pairs):
        self.fill(pairs)
        self.batch.enqueue(self.stream)
        return self.flow()


def pairs_of(count, height, width):
    return [moving(height, width, seed) for seed in range(count)]


@pytest.mark.parametrize("storage", ["fp32", "fp16"])
@pytest.mark.parametrize("block", [REGION_BLOCK, (16, 32)])
@pytest.mark.parametrize(("height", "width"), [(61, 83), (109, 54), (16, 17)])
def test_a_batch_is_numpys(gpu, height, width, block, storage):
    pairs = pairs_of(3, height, width)
    with gpu.current():
        plan = TvL1Plan(SETTINGS, height, width, 3, storage, region_block=block)
        found = OnGpu(gpu, plan).run(pairs)
    for pair, flow in zip(pairs, found, strict=True):
        assert end_point_error_px(flow, tvl1_numpy.tvl1(*pair, NUMPY)) < 0.02


def test_a_pairs_flow_is_the_same_bits_each_time_and_in_any_company(gpu):
    pairs = pairs_of(5, 61, 83)
    with gpu.current():
        many = OnGpu(gpu, TvL1Plan(SETTINGS, 61, 83, 5))
        first, second = many.run(pairs), many.run(pairs)
        alone = OnGpu(gpu, TvL1Plan(SETTINGS, 61, 83, 1)).run(pairs[3:4])
    assert np.array_equal(first, second)
    assert np.array_equal(first[3], alone[0])


def test_a_picture_that_stays_has_no_flow_at_all(gpu):
    previous, _ = moving(61, 83)
    assert not CudaTvL1Flow(PORTABLE, gpu).estimate(previous, previous).any()


@pytest.mark.parametrize("clip", CLIPS)
def test_on_real_frames_it_is_opencvs(gpu, clip, data_dir):
    pair = video_pair(data_dir / clip, 240, 320)
    found = CudaTvL1Flow(PORTABLE, gpu).estimate(*pair)
    assert end_point_error_px(found, opencvs(PORTABLE).estimate(*pair)) < 0.1


def test_it_is_as_near_the_truth_as_opencvs_defaults(gpu, data_dir):
    *pair, true = rubber_whale(data_dir)
    ours = end_point_error_px(CudaTvL1Flow(PORTABLE, gpu).estimate(*pair), true)
    assert ours < 1.02 * end_point_error_px(opencvs({}).estimate(*pair), true)


def test_a_cuda_graph_replays_it_on_new_pictures(gpu):
    pytest.importorskip(
        "cuda.bindings.driver", reason="cuda-bindings is not installed", exc_type=ImportError
    )
    with gpu.current():
        on_gpu = OnGpu(gpu, TvL1Plan(SETTINGS, 61, 83, 2))
        expected = on_gpu.run(pairs_of(2, 61, 83))
        replay = gpu.capture(on_gpu.batch.enqueue, on_gpu.stream)
        on_gpu.fill([moving(61, 83, seed=9)] * 2)
        replay(on_gpu.stream)
        assert not np.array_equal(on_gpu.flow(), expected)
        on_gpu.fill(pairs_of(2, 61, 83))
        replay(on_gpu.stream)
        assert np.array_equal(on_gpu.flow(), expected)


def opencvs(parameters):
    """The CPU's flow; skips where OpenCV comes without its contributed modules."""
    if not hasattr(cv2, "optflow"):
        pytest.skip("OpenCV without optflow: install opencv-contrib-python-headless")
    from engine.flow.tvl1 import TvL1Flow

    return TvL1Flow(parameters)


def test_the_default_bundle_has_its_flow_estimated_here(gpu):
    flow = open_default_flow(Bundle.open("default").manifest.flows, "auto")
    assert (flow.name, flow.device) == ("tvl1", "cuda")
