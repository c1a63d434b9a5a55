import cv2
import pytest

from engine.errors import FlowMismatch
from engine.flow.tvl1_settings import PARAMETERS, TvL1Settings


def test_what_is_left_out_is_opencvs_default():
    theirs = cv2.optflow.createOptFlow_DualTVL1()
    assert TvL1Settings.of({}) == TvL1Settings(
        tau=theirs.getTau(),
        lambda_=theirs.getLambda(),
        theta=theirs.getTheta(),
        scales=theirs.getScalesNumber(),
        warps=theirs.getWarpingsNumber(),
        epsilon=theirs.getEpsilon(),
        inner_iterations=theirs.getInnerIterations(),
        outer_iterations=theirs.getOuterIterations(),
        scale_step=theirs.getScaleStep(),
        median_filtering=theirs.getMedianFiltering(),
    )


def test_parameters_are_named_as_in_opencv():
    assert TvL1Settings.of({"lambda": 1, "epsilon": 0}) == TvL1Settings(lambda_=1, epsilon=0)
    assert "lambda_" not in PARAMETERS


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"speed": 1}, "no parameter 'speed'; it has tau, lambda, theta"),
        ({"lambda_": 1}, "no parameter 'lambda_'"),
        ({"warps": 2.5}, r"warps of flow tvl1 is a whole number, not 2\.5"),
        ({"warps": True}, "warps of flow tvl1 is a whole number, not True"),
        ({"tau": "fast"}, "tau of flow tvl1 is a number, not 'fast'"),
        ({"scales": 0}, "scales of flow tvl1 is above 0, not 0"),
        ({"epsilon": -1}, "epsilon of flow tvl1 is above 0, not -1"),
        ({"scale_step": 1.25}, r"scale_step of flow tvl1 lies between 0 and 1, not at 1\.25"),
        ({"median_filtering": 4}, "median_filtering of flow tvl1 is 1, 3 or 5, not 4"),
    ],
)
def test_what_can_not_be_is_refused(parameters, said):
    with pytest.raises(FlowMismatch, match=said):
        TvL1Settings.of(parameters)
