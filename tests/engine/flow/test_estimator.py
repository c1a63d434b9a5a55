"""Both flows, on a textured picture that moves by a known amount."""

import cv2
import numpy as np
import pytest

from engine.errors import FlowMismatch
from engine.flow.open import open_flow

FLOWS = [
    ("dis", {"preset": "ultrafast"}),
    ("dis", {"preset": "fast"}),
    ("dis", {"preset": "medium", "finest_scale": 0}),
    ("dis", {}),
    ("tvl1", {"inner_iterations": 10, "outer_iterations": 1, "scales": 3, "warps": 2}),
]


@pytest.fixture(scope="module")
def moving():
    """Two grey pictures [72,96]: everything moves by 2 px to the right and 1 px up."""
    noise = np.random.default_rng(0).integers(0, 256, (96, 120), np.uint8)
    texture = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    return texture[10:82, 12:108].copy(), texture[11:83, 10:106].copy()


@pytest.mark.parametrize(("name", "parameters"), FLOWS)
def test_flow_is_x_then_y_from_the_earlier_picture(name, parameters, moving):
    estimator = open_flow(name, parameters)
    flow = estimator.estimate(*moving)
    assert estimator.name == name
    assert (flow.dtype, flow.shape, flow.flags.c_contiguous) == (np.float32, (2, 72, 96), True)
    assert np.median(flow, axis=(1, 2)) == pytest.approx([2, -1], abs=0.2)


@pytest.mark.parametrize(("name", "parameters"), FLOWS)
def test_a_picture_that_stays_has_no_flow_at_all(name, parameters, moving):
    assert np.abs(open_flow(name, parameters).estimate(moving[0], moving[0])).max() == 0


@pytest.mark.parametrize(("name", "parameters"), FLOWS)
def test_an_estimate_does_not_depend_on_those_before(name, parameters, moving):
    estimator = open_flow(name, parameters)
    once = estimator.estimate(*moving)
    estimator.estimate(moving[1], moving[0])
    assert np.array_equal(estimator.estimate(*moving), once)
    assert np.array_equal(open_flow(name, parameters).estimate(*moving), once)


def test_flow_leaves_the_other_cores_to_other_cameras(moving):
    cv2.setNumThreads(2)
    open_flow("dis", {})
    assert cv2.getNumThreads() == 1


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("farneback", {}, "no flow 'farneback'"),
        ("dis", {"preset": "best"}, "no preset 'best'"),
        ("dis", {"finest_scale": -1}, "whole number from 0 to 5, not -1"),
        ("dis", {"finest_scale": 0.5}, "whole number from 0 to 5, not 0.5"),
        ("dis", {"speed": 1}, "no parameter 'speed'"),
        ("tvl1", {"preset": "medium"}, "no parameter 'preset'"),
    ],
)
def test_what_is_not_known_is_named(name, parameters, said):
    with pytest.raises(FlowMismatch, match=said):
        open_flow(name, parameters)
