"""Two recognisers on the same samples: which answers agree, and how far the numbers are apart."""

from types import SimpleNamespace

import numpy as np
import pytest

from engine.agreement import compare


class Says:
    """A recogniser that gives these probabilities, sample after sample."""

    def __init__(self, *rows):
        self.rows, self.forgotten = list(rows), []

    def step(self, samples):
        assert len(samples) == 1
        return [SimpleNamespace(probabilities=np.array(self.rows.pop(0), np.float32))]

    def forget(self, camera):
        self.forgotten.append(camera)


def samples(*cameras):
    return [SimpleNamespace(camera=camera) for camera in cameras]


def test_answers_are_compared_by_their_label_and_numbers_by_the_class_that_differs_most():
    reference = Says([0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.1, 0.1, 0.8])
    other = Says([0.6, 0.3, 0.1], [0.5, 0.4, 0.1], [0.1, 0.2, 0.7])
    found = compare(samples("a", "a", "b"), reference, other)
    assert (found.predictions, found.agreed) == (3, 2)
    assert found.share == pytest.approx(2 / 3)
    assert found.largest == pytest.approx(0.1)
    assert found.mean == pytest.approx(0.1)
    assert str(found).startswith("66.67% of 3 predictions name fp32's action")


def test_what_a_camera_leaves_behind_is_dropped_when_the_next_one_comes():
    reference, other = Says([1, 0], [1, 0], [1, 0]), Says([1, 0], [1, 0], [1, 0])
    compare(samples("a", "b", "c"), reference, other)
    assert reference.forgotten[1:] == other.forgotten[1:] == ["a", "b"]


def test_nothing_to_compare_is_no_prediction():
    assert compare([], Says(), Says()).predictions == 0
