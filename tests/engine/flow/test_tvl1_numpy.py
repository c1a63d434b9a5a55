"""The NumPy TV-L1, which the CUDA kernels are held to, against OpenCV's and against the truth."""

import cv2
import numpy as np
import pytest

from engine.flow.tvl1 import TvL1Flow
from tests.engine.flow.pictures import (
    PORTABLE,
    end_point_error_px,
    moving,
    rubber_whale,
    video_pair,
)
from tests.engine.flow.tvl1_numpy import (
    Parameters,
    centred_gradient,
    cubic,
    divergence,
    forward_gradient,
    median,
    resize,
    shrink,
    tvl1,
)


def test_divergence_is_minus_the_adjoint_of_the_gradient():
    random = np.random.default_rng(0)
    u = random.standard_normal((2, 7, 9), np.float32)
    p = random.standard_normal((2, 2, 7, 9), np.float32)
    p[:, 0, :, -1] = p[:, 1, -1] = 0  # as the iterations leave it: the gradient is zero there
    assert (forward_gradient(u) * p).sum() == pytest.approx(-(u * divergence(p)).sum(), rel=1e-5)


def test_the_gradient_of_a_ramp():
    across = np.tile(np.arange(5, dtype=np.float32), (4, 1))
    assert centred_gradient(across)[0].tolist() == [[0.5, 1, 1, 1, 0.5]] * 4
    assert not centred_gradient(across)[1].any()


@pytest.mark.parametrize("step", [0.8, 0.5, 0.7])
def test_resizing_is_opencvs(step):
    picture = np.random.default_rng(0).integers(0, 256, (45, 61)).astype(np.float32)
    theirs = cv2.resize(picture, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)
    ours = shrink(picture, step)
    assert ours == pytest.approx(theirs, abs=0.01)
    assert resize(ours, 45, 61) == pytest.approx(cv2.resize(theirs, (61, 45)), abs=0.01)


def test_warping_and_the_median_are_opencvs():
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (45, 61)).astype(np.float32)
    y, x = np.mgrid[:45, :61].astype(np.float32)
    # Multiples of 1/32 px, since some versions round to them; some lie outside.
    x = x + random.integers(-99, 99, x.shape).astype(np.float32) / 32
    y = y + random.integers(-99, 99, x.shape).astype(np.float32) / 32
    theirs = cv2.remap(picture, x, y, cv2.INTER_CUBIC)
    assert cubic(picture[None], x, y)[0] == pytest.approx(theirs, abs=0.01)
    assert np.array_equal(median(picture, 5), cv2.medianBlur(picture, 5))


@pytest.mark.parametrize(
    "parameters",
    [
        PORTABLE,
        {**PORTABLE, "scale_step": 0.5, "lambda": 0.05, "warps": 2},
        {"scales": 3, "warps": 3, "inner_iterations": 8, "outer_iterations": 3},
    ],
)
def test_on_a_moving_texture_it_is_opencvs(parameters):
    pair = moving(61, 83)
    ours = tvl1(*pair, _numpy(parameters))
    assert np.median(ours, axis=(1, 2)) == pytest.approx([2, -1], abs=0.1)
    assert end_point_error_px(ours, TvL1Flow(parameters).estimate(*pair)) < 0.01


CLIPS = [
    "jhmdb/videos/golf/Eric_Axley_golf_f_cm_np1_le_goo_0.mp4",
    "jhmdb/videos/shoot_ball/JashaunKidsWhoRipAmazingBasketball_shoot_ball_f_cm_np1_le_med_5.mp4",
    "surv_fight_240p/fight/fi002.mp4",
]


@pytest.mark.parametrize("clip", CLIPS)
def test_on_real_frames_it_is_opencvs(clip, data_dir):
    pair = video_pair(data_dir / clip, 120, 160)
    for parameters in (PORTABLE, {}):
        ours, theirs = tvl1(*pair, _numpy(parameters)), TvL1Flow(parameters).estimate(*pair)
        # Nearly everywhere it is rounding; where motion is lost, rounding decides what is found.
        assert np.median(np.hypot(*(ours - theirs))) < 0.01
        assert end_point_error_px(ours, theirs) < 0.1


def test_fifteen_iterations_without_median_are_as_near_the_truth_as_opencvs_defaults(data_dir):
    *pair, true = rubber_whale(data_dir)
    ours = end_point_error_px(tvl1(*pair, _numpy(PORTABLE)), true)
    assert ours < 1.02 * end_point_error_px(TvL1Flow({}).estimate(*pair), true)


def _numpy(parameters):
    return Parameters(**{{"lambda": "lambda_"}.get(k, k): v for k, v in parameters.items()})
