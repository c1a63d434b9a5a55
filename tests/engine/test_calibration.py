import numpy as np
import pytest

from engine.calibration import abstains, fuse, rgb_alone
from engine.manifest import Calibration

RGB = np.log(np.array([0.5, 0.25, 0.25], np.float32))
FLOW = np.log(np.array([0.1, 0.1, 0.8], np.float32))


def test_at_temperature_one_the_streams_are_averaged():
    result = fuse(RGB, FLOW, Calibration())
    assert result.rgb == pytest.approx([0.5, 0.25, 0.25], abs=1e-6)
    assert result.flow == pytest.approx([0.1, 0.1, 0.8], abs=1e-6)
    assert result.fused == pytest.approx([0.3, 0.175, 0.525], abs=1e-6)
    # -(0.3 ln 0.3 + 0.175 ln 0.175 + 0.525 ln 0.525)
    assert result.entropy == pytest.approx(1.0045, abs=1e-4)
    assert result.fused.dtype == np.float32


def test_temperatures_flatten_each_stream_and_then_the_whole():
    result = fuse(RGB, FLOW, Calibration(rgb=0.5, fused=2.0))
    # RGB squared: 4, 1, 1 of 6. The mean is 0.3833, 0.1333, 0.4833; then its square root.
    roots = np.sqrt([0.3833333, 0.1333333, 0.4833333])
    assert result.rgb == pytest.approx([4 / 6, 1 / 6, 1 / 6], abs=1e-6)
    assert result.fused == pytest.approx(roots / roots.sum(), abs=1e-6)


def test_rgb_alone_has_its_own_temperature_and_no_other():
    p, entropy = rgb_alone(RGB, Calibration(rgb=0.5, flow=9, fused=9))
    assert p == pytest.approx([4 / 6, 1 / 6, 1 / 6], abs=1e-6)
    assert p.dtype == np.float32
    # -(2/3 ln 2/3 + 2 · 1/6 ln 1/6)
    assert entropy == pytest.approx(0.8676, abs=1e-4)


def test_fused_by_scores_a_label_has_to_be_likely_for_both():
    result = fuse(RGB, FLOW, Calibration(fusion="scores"))
    # The geometric means: sqrt(0.05), sqrt(0.025), sqrt(0.2).
    roots = np.sqrt([0.05, 0.025, 0.2])
    assert result.fused == pytest.approx(roots / roots.sum(), abs=1e-6)
    assert result.rgb == pytest.approx([0.5, 0.25, 0.25], abs=1e-6)
    sharper = fuse(RGB, FLOW, Calibration(fusion="scores", fused=0.5))
    assert sharper.fused == pytest.approx(np.array([0.05, 0.025, 0.2]) / 0.275, abs=1e-6)


@pytest.mark.parametrize("fusion", ["probabilities", "scores"])
def test_scores_of_any_size_stay_finite(fusion):
    huge = np.array([5000, 0, -5000], np.float32)
    result = fuse(huge, huge, Calibration(fused=0.1, fusion=fusion))
    assert result.fused.tolist() == [1, 0, 0]
    assert result.entropy == pytest.approx(0, abs=1e-9)


def test_it_abstains_below_the_threshold_only():
    fused = np.array([0.5, 0.25, 0.25], np.float32)
    assert not abstains(fused, 0.0)
    assert not abstains(fused, 0.5)
    assert abstains(fused, 0.51)
