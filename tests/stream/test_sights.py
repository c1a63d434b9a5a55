"""Which sight a camera gets, and what is said of it."""

import logging

import numpy as np
import pytest

from engine.errors import DeviceFull
from engine.flow.open import open_flow
from engine.machine import describe_machine
from engine.manifest import FlowEntry
from stream.configuration.config import CameraConfig
from stream.host_sight import HostSight
from stream.sights import Sights
from tests.stream.synthetic import picture, small_manifest

LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))


class Eyes:
    """Opens sights that are mere numbers."""

    def __init__(self, error=None):
        self.asked, self.error = [], error

    def open(self, size, outside, handed_over):
        if self.error is not None:
            raise self.error
        self.asked.append((size, outside, handed_over))
        return len(self.asked)


@pytest.fixture
def sights():
    return Sights(small_manifest(), FlowEntry(bound_px=3.0), lambda: open_flow("dis", {}), print)


def camera(**changes):
    return CameraConfig(name="hall", url="scene:", **changes)


def test_without_a_gpu_a_camera_has_one_sight_on_the_host(sights):
    open_sight = sights.opener(camera())
    sight = open_sight((640, 480))
    assert isinstance(sight, HostSight)
    assert open_sight((320, 240)) is sight
    assert sights.opener(camera())((640, 480)) is not sight


def test_a_sight_on_the_host_has_the_flows_bound_and_the_cameras_region(sights):
    sight = sights.opener(camera(region=LEFT, explain=True))((128, 96))
    for tick in range(2):
        sight.add(tick, picture(tick), with_flow=True)
    view = sight.view(1, with_flow=True)
    assert (view.frame[:, 32:] == 127).all()
    # The picture moves by 1 px at this scale, and the bound is 3.
    assert abs(np.median(view.flow[-2][:, 2:12].astype(int)) - 128 - 127 / 3) < 13


def test_with_eyes_it_is_on_the_gpu_for_each_size(sights):
    sights.eyes = eyes = Eyes()
    open_sight = sights.opener(camera())
    assert [open_sight((640, 480)), open_sight((320, 240))] == [1, 2]
    assert eyes.asked == [((640, 480), None, print), ((320, 240), None, print)]


def test_as_many_cameras_as_cores_have_a_turn_and_two_where_the_gpu_makes_the_pictures(sights):
    def most():
        held = 0
        while sights.turns().acquire(blocking=False):
            held += 1
        return held

    assert most() == describe_machine().cores
    sights.eyes = Eyes()
    assert most() == 2


def test_a_sight_sees_what_it_is_zoomed_to_and_the_region_of_that(sights):
    lower_right = ((0.5, 0.5), (1.0, 1.0))
    sight = sights.opener(camera(zoom=lower_right, region=LEFT, explain=True))((128, 96))
    quarters = np.zeros((96, 128, 3), np.uint8)
    quarters[48:, 64:] = 200
    sight.add(0, quarters, with_flow=True)
    assert (sight.view(0, with_flow=True).frame == 127).all()  # nothing of it is in the left half
    sight = sights.opener(camera(zoom=lower_right, explain=True))((128, 96))
    sight.add(0, quarters, with_flow=True)
    assert (sight.view(0, with_flow=True).frame == 200).all()

    sights.eyes = eyes = Eyes()
    sights.opener(camera(zoom=((0.25, 0.5), (0.75, 1.0)), region=LEFT))((640, 480))
    [(size, outside, _)] = eyes.asked
    assert size == (320, 240)
    assert not outside[:, :32].any()  # half of it is left of the picture's middle
    assert outside[:, 32:].all()


def test_eyes_are_told_what_may_not_be_seen(sights):
    sights.eyes = eyes = Eyes()
    sights.opener(camera(region=LEFT))((640, 480))
    [(_, outside, _)] = eyes.asked
    assert outside.shape == (48, 64)
    assert outside[:, 32:].all()
    assert not outside[:, :32].any()


def test_one_that_is_explained_stays_on_the_host(sights, caplog):
    sights.eyes = eyes = Eyes()
    with caplog.at_level(logging.INFO):
        sight = sights.opener(camera(explain=True))((128, 96))
    assert isinstance(sight, HostSight)
    assert not eyes.asked
    assert caplog.messages == ["hall: its pictures are made on the CPU, since explain shows them"]


def test_one_that_finds_no_memory_is_on_the_host_with_the_reason(sights, caplog):
    sights.eyes = Eyes(DeviceFull("H200 has too little free memory left"))
    with caplog.at_level(logging.WARNING):
        assert isinstance(sights.opener(camera())((128, 96)), HostSight)
    assert caplog.messages == [
        "hall: its pictures are made on the CPU: H200 has too little free memory left"
    ]
