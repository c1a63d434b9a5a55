"""A sight in two halves gives what one in one piece gives."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from engine.flow.open import open_flow
from engine.manifest import FlowEntry
from stream.configuration.config import CameraConfig
from stream.host_sight import HostSight
from stream.processes.distant_sight import DistantEyes, Elsewhere, Mirror
from stream.sights import Sights
from tests.stream.stand_ins import stream_sample
from tests.stream.synthetic import picture, small_manifest

SIZE = (64, 48)
LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))


def whole():
    return HostSight(small_manifest(), open_flow("dis", {}))


class Halves:
    """The two, with what travels between them pickled."""

    def __init__(self, **camera):
        self.mirror = Mirror(whole())
        sights = Sights(small_manifest(), FlowEntry(bound_px=12.0), open_flow=None)
        sights.eyes = DistantEyes(SIZE, self._report)
        self.open_sight = sights.opener(CameraConfig(name="hall", url="scene:", **camera))
        self.calls = []

    def _report(self, call):
        self.calls.append(call)
        self.mirror.call(pickle.loads(pickle.dumps(call, protocol=5)))

    def sample(self, view):
        sample = stream_sample()
        travels = replace(sample, sample=replace(sample.sample, rgb=view.rgb, flow=view.flow))
        return self.mirror.completed(pickle.loads(pickle.dumps(travels))).sample


@pytest.mark.parametrize(
    "camera", [{}, {"region": LEFT}, {"zoom": ((0.2, 0.2), (0.7, 0.7)), "region": LEFT}]
)
def test_views_are_the_same(camera):
    halves = Halves(**camera)
    sights = Sights(small_manifest(), FlowEntry(bound_px=12.0), lambda: open_flow("dis", {}))
    in_one_piece = sights.opener(CameraConfig(name="hall", url="scene:", **camera))
    for size in ((128, 96), (200, 90), SIZE):
        one, other = halves.open_sight(size), in_one_piece(size)
        one.clear()
        other.clear()
        for tick in range(14):
            if tick % 6 == 5:
                one.repeat(tick)
                other.repeat(tick)
            else:
                image = picture(tick, size)
                one.add(tick, image, with_flow=tick % 5 != 4)
                other.add(tick, image, with_flow=tick % 5 != 4)
            wanted = other.view(tick, with_flow=tick % 4 != 3)
            given = halves.sample(one.view(tick, with_flow=tick % 4 != 3))
            assert (given.rgb == wanted.rgb).all()
            assert (given.flow is None) == (wanted.flow is None)
            if wanted.flow is not None:
                assert (given.flow == wanted.flow).all()


def test_samples_may_come_after_the_frames_behind_them():
    """A sampler gives the samples of repeated ticks together with the frame that shows the hole."""
    halves, sight = Halves(), whole()
    one = halves.open_sight(SIZE)
    one.add(0, picture(0, SIZE), with_flow=True)
    sight.add(0, picture(0, SIZE), with_flow=True)
    early, wanted = one.view(0, with_flow=True), sight.view(0, with_flow=True)
    one.add(1, picture(1, SIZE), with_flow=True)
    late = one.view(1, with_flow=True)
    assert (halves.sample(early).rgb == wanted.rgb).all()
    assert (halves.sample(late).rgb != wanted.rgb).any()


def test_what_is_outside_of_a_region_does_not_leave_the_process():
    halves = Halves(region=LEFT)
    halves.open_sight((128, 96)).add(0, picture(0), with_flow=True)
    (call,) = halves.calls
    assert (call.image[:, 32:] == 127).all()
    assert np.ptp(call.image[:, :32]) > 100


def test_a_sample_that_nobody_completed_is_a_bug():
    with pytest.raises(RuntimeError, match="another process"):
        Elsewhere(3).addresses()
