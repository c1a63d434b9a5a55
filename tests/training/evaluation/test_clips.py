"""What a result says of scores: each stream by itself, one label a clip or several."""

import numpy as np
import pytest

from tests.training.data.stored import stored_clip
from training.evaluation.clip_scores import Protocol
from training.evaluation.clips import DataSet, evaluate_clips, result, truth_of
from training.evaluation.results import Mistake
from training.model.build import ModelConfig
from training.model.consensus import Temperatures
from training.progress import Progress
from training.random_model import random_model

CLASSES = ("walk", "wave", "idle")
UNSEEN = DataSet("clips", "unseen", CLASSES)
# Class scores whose softmax is the given probabilities.
RGB = np.log([[0.8, 0.1, 0.1], [0.2, 0.6, 0.2]]).astype(np.float32)
FLOW = np.log([[0.2, 0.7, 0.1], [0.7, 0.1, 0.2]]).astype(np.float32)


def test_a_result_counts_each_stream_by_itself() -> None:
    found = result(
        {"rgb": RGB, "dis": FLOW},
        "dis",
        np.array([0, 1]),
        UNSEEN,
        Temperatures(),
        Protocol("global", 10),
        "clips",
    )
    # Fused: (0.5, 0.4, 0.1) and (0.45, 0.35, 0.2): the first is right.
    assert (found.accuracy.rgb, found.accuracy.flow, found.accuracy.fused) == (1.0, 0.0, 0.5)
    assert (found.data_set, found.split, found.flow) == ("clips", "unseen", "dis")
    assert (found.protocol, found.crops, found.count) == ("global", 10, 2)
    assert found.class_accuracy == {"walk": 1.0, "wave": 0.0, "idle": None}
    assert found.confusion == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert found.mistakes == (Mistake("wave", "walk", 1),)
    assert found.mean_confidence == pytest.approx((0.5 + 0.45) / 2)
    # Walk: its clip ranks first (0.5 before 0.45). Wave: its clip ranks second (0.35 after 0.4).
    assert found.average_precision == {"walk": 1.0, "wave": pytest.approx(0.5), "idle": None}
    assert found.mean_average_precision == pytest.approx(0.75)
    # 0.5 right in one bin and 0.45 wrong in another.
    assert found.calibration_error.fused == pytest.approx((0.5 + 0.45) / 2)
    assert found.calibration_error_before == found.calibration_error


def test_temperatures_change_the_confidence_but_not_what_it_was_before() -> None:
    sharp = Temperatures(fused=0.5)
    scores = {"rgb": RGB, "dis": FLOW}
    protocol = Protocol("global", 1)
    plain = result(scores, "dis", np.array([0, 1]), UNSEEN, Temperatures(), protocol, "clips")
    found = result(scores, "dis", np.array([0, 1]), UNSEEN, sharp, protocol, "clips")
    # (0.5, 0.4, 0.1) squared is (0.25, 0.16, 0.01) / 0.42.
    second = 0.45**2 / (0.45**2 + 0.35**2 + 0.2**2)
    assert found.mean_confidence == pytest.approx((0.25 / 0.42 + second) / 2)
    assert found.calibration_error_before == plain.calibration_error
    assert found.accuracy == plain.accuracy


def test_clips_that_show_several_actions_are_right_with_any_of_them() -> None:
    clips = [stored_clip("a", "wave", 3, also=("idle", "walk")), stored_clip("b", "idle", 3)]
    truth = truth_of(clips, CLASSES)
    assert truth.tolist() == [[True, True, True], [False, False, True]]
    found = result(
        {"rgb": RGB, "dis": RGB}, "dis", truth, UNSEEN, Temperatures(), Protocol("grid", 1), "clips"
    )
    assert found.accuracy.fused == 0.5
    # Walk and wave: the first clip has 0.8 and 0.1 of them, the second 0.2 and 0.6: AP 1 and 1/2.
    assert found.average_precision == {"walk": 1.0, "wave": 0.5, "idle": 1.0}
    assert found.mean_average_precision == pytest.approx(2.5 / 3)
    assert found.confusion is None
    assert found.class_accuracy is None


def test_every_protocol_and_flow_has_its_result() -> None:
    config = ModelConfig(
        classes=3, backbone="resnet18", hidden_width=4, input_size=32, frames_per_segment=2
    )
    clips = [stored_clip("a", "walk", 4), stored_clip("b", "wave", 7)]
    found = evaluate_clips(
        random_model(config),
        clips,
        UNSEEN,
        flows=("dis", "tvl1"),
        crops=10,
        side=32,
        progress=Progress(),
    )
    named = {(each.protocol, each.crops, each.flow) for each in found}
    assert named == {
        (protocol, crops, flow)
        for protocol, crops in (("global", 1), ("grid", 1), ("global", 10))
        for flow in ("dis", "tvl1")
    }
    of_rgb = {
        (each.protocol, each.crops): {
            other.accuracy.rgb
            for other in found
            if (other.protocol, other.crops) == (each.protocol, each.crops)
        }
        for each in found
    }
    assert all(len(values) == 1 for values in of_rgb.values())  # RGB is one, whatever the flow
