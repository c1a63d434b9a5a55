"""Cameras' sights on a GPU that is not there, against the functions that the host's use.

The kernels run as host code, and the streams' work when it is waited for.
"""

import logging
import threading

import numpy as np
import pytest

from engine.cuda.gpu import Gpu
from engine.errors import DeviceFailed, DeviceFull, EngineDrift
from engine.flow import cuda_eyes, eyes_check
from engine.flow.cuda_eyes import SLOTS, CudaEyes
from engine.flow.pictures import Pictures
from engine.flow.tvl1_settings import TvL1Settings
from tests.engine.flow.eyes_device import (
    FEW,
    PICTURES,
    SCALE,
    Host,
    assert_sees,
    check_cameras,
    image,
)
from tests.engine.flow.pictures import PORTABLE

LAG = 3


@pytest.fixture
def gpu(fake_driver, fake_cuda, monkeypatch):
    monkeypatch.setattr(cuda_eyes, "_BATCHES", (1, 2))
    return Gpu(fake_driver)


@pytest.fixture
def open_eyes(gpu):
    """A function that opens eyes on the GPU, with parameters of the flow."""

    def opened(parameters=FEW):
        with gpu.current():
            return CudaEyes(
                gpu,
                PICTURES,
                TvL1Settings.of(parameters),
                compute=gpu.stream(),
                copies=gpu.stream(),
                lag=LAG,
            )

    return opened


@pytest.fixture
def eyes(open_eyes):
    return open_eyes()


def test_a_camera_sees_what_the_host_sees(gpu, eyes):
    eye, host = eyes.open(SCALE, None, lambda: None), Host(gpu)
    for tick in range(14):
        if tick in (5, 6):
            eye.repeat(tick)
            host.repeat(tick)
        else:
            eye.add(tick, image(tick), with_flow=True)
            host.add(tick, image(tick))
        eyes.take_in()
        assert_sees(eyes, eye.view(tick, with_flow=True), host, tick)
    assert (host.stack(13) != 128).any()
    assert eye.view(13, with_flow=False).flow is None


def test_cameras_share_batches_and_nothing_else(gpu, eyes):
    check_cameras(gpu, eyes)


def test_no_flow_is_estimated_where_none_is_wanted(gpu, eyes, fake_driver):
    eye, host = eyes.open(SCALE, None, lambda: None), Host(gpu)
    for tick in range(6):
        wanted = not 2 <= tick < 4
        fake_driver.launched.clear()
        eye.add(tick, image(tick), with_flow=wanted)
        host_launches = len(fake_driver.launched)
        eyes.take_in()
        view = eye.view(tick, with_flow=True)
        eyes.read(view.rgb)
        estimated = "iterate_fp32" in fake_driver.launched[host_launches:]
        assert estimated == (wanted and tick > 0)
        host.add(tick, image(tick), wanted)
        assert_sees(eyes, view, host, tick)  # tick 4's pair is from 3, which was seen without flow


def test_a_new_epoch_has_no_flow_from_the_old_one(gpu, eyes):
    eye = eyes.open(SCALE, None, lambda: None)
    for tick in range(3):
        eye.add(tick, image(tick), with_flow=True)
        eyes.take_in()
    eye.clear()
    host = Host(gpu)
    for tick in range(2):
        eye.add(tick, image(9 * tick), with_flow=True)
        host.add(tick, image(9 * tick))
        eyes.take_in()
        assert_sees(eyes, eye.view(tick, with_flow=True), host, tick)


def test_a_view_stays_as_long_as_a_sample_may_wait_and_then_is_gone(gpu, eyes):
    eye, host = eyes.open(SCALE, None, lambda: None), Host(gpu)
    views = []
    for tick in range(12 + LAG + SLOTS + 1):
        eye.add(tick, image(tick), with_flow=True)
        host.add(tick, image(tick))
        views.append(eye.view(tick, with_flow=True))
        eyes.take_in()
        if tick == 11 + LAG + SLOTS:
            assert_sees(eyes, views[11], host, 11)
    with pytest.raises(RuntimeError, match="frame 2 isn't on the GPU"):
        eyes.read(views[11].flow)


def test_a_view_is_there_only_once_its_frame_was_taken_in(eyes):
    eye = eyes.open(SCALE, None, lambda: None)
    eye.add(0, image(0), with_flow=True)
    view = eye.view(0, with_flow=True)
    with pytest.raises(RuntimeError, match="frame 0 isn't on the GPU: 0 were taken in"):
        view.rgb.addresses()
    eyes.take_in()
    assert view.rgb.addresses()


def test_each_frame_goes_up_once_and_nothing_comes_down(eyes, fake_driver):
    opened = [eyes.open((97, 61), None, lambda: None) for _ in range(2)]
    for tick in range(2):
        for eye in opened:
            eye.add(tick, image(tick, (97, 61)), with_flow=True)
    fake_driver.copied_bytes = {"up": 0, "down": 0}
    eyes.take_in()
    # Each with a row of 48 bytes that says where it goes.
    assert fake_driver.copied_bytes == {"up": 4 * (97 * 61 * 3 + 48), "down": 0}


def test_a_batch_is_one_launch(eyes, fake_cuda):
    assert eyes.captured == {"flow": (1, 2), "rgb": (1, 2)}
    opened = [eyes.open(SCALE, None, lambda: None) for _ in range(2)]
    for eye in opened:
        eye.add(0, image(0), with_flow=True)
    before = fake_cuda.replayed
    eyes.take_in()
    assert fake_cuda.replayed - before in (1, 2)  # as one of two, or two of one: the cheaper


def test_a_capture_that_is_refused_is_told_of_and_costs_no_picture(
    gpu, open_eyes, fake_cuda, caplog
):
    fake_cuda.refuses = True
    with caplog.at_level(logging.WARNING):
        eyes = open_eyes()
    assert eyes.captured == {"flow": (), "rgb": ()}
    assert "flow of the pictures starts kernel by kernel in batches of 1 and 2" in caplog.text
    eye, host = eyes.open(SCALE, None, lambda: None), Host(gpu)
    for tick in range(3):
        eye.add(tick, image(tick), with_flow=True)
        host.add(tick, image(tick))
        eyes.take_in()
    assert_sees(eyes, eye.view(2, with_flow=True), host, 2)


def test_memory_is_taken_with_a_camera_and_used_again_by_the_next(eyes, fake_driver, fake_cuda):
    mask = np.zeros(SCALE[::-1], bool)

    def watched(size):
        eye = eyes.open(size, mask, lambda: None)
        for tick in range(3):
            eye.add(tick, image(tick, size), with_flow=True)
            eyes.take_in()
        return eye

    eye = watched((97, 61))
    taken, graphs = dict(fake_driver.allocated), len(fake_cuda.graphs)
    for size in ((97, 61), (90, 64), (100, 60)):  # of one power of two
        eye.close()
        eyes.take_in()
        del eye
        eye = watched(size)
    assert eye.places.taken_in == 3
    assert fake_driver.allocated == taken
    assert len(fake_cuda.graphs) == graphs
    eyes.close()
    assert not fake_cuda.graphs
    eyes.close()


def test_a_sample_that_waits_keeps_a_camera_that_has_gone(gpu, eyes):
    eye, host = eyes.open(SCALE, None, lambda: None), Host(gpu)
    eye.add(0, image(0), with_flow=True)
    host.add(0, image(0))
    view = eye.view(0, with_flow=True)
    eye.close()
    eyes.take_in()  # what it had handed over is still made
    del eye
    other = eyes.open(SCALE, None, lambda: None)
    other.add(0, image(7, seed=3), with_flow=True)
    eyes.take_in()
    assert_sees(eyes, view, host, 0)


def test_a_camera_that_is_ahead_waits_until_it_is_closed(eyes):
    handed = []
    eye = eyes.open(SCALE, None, lambda: handed.append(None))
    for tick in range(SLOTS):
        eye.add(tick, image(tick), with_flow=True)
    assert len(handed) == SLOTS

    def ahead(tick):
        thread = threading.Thread(
            target=eye.add, args=(tick, image(tick)), kwargs={"with_flow": True}
        )
        thread.start()
        thread.join(0.2)
        return thread

    waiting = ahead(SLOTS)
    assert waiting.is_alive()
    eyes.take_in()
    waiting.join(20)
    assert len(handed) == SLOTS + 1
    eye.add(SLOTS + 1, image(0), with_flow=True)
    waiting = ahead(SLOTS + 2)
    assert waiting.is_alive()
    eye.close()
    waiting.join(20)
    assert not waiting.is_alive()
    assert len(handed) == SLOTS + 2


def test_a_picture_of_another_size_than_was_said_costs_no_slot(eyes):
    eye = eyes.open(SCALE, None, lambda: None)
    for _ in range(2 * SLOTS):
        with pytest.raises(ValueError, match="reshape"):
            eye.add(0, image(0, (400, 300)), with_flow=True)
    eye.add(0, image(0), with_flow=True)
    eyes.take_in()


def test_too_little_memory_gives_everything_back(open_eyes, fake_driver, fake_cuda):
    eyes = open_eyes()
    needed = sum(len(each.bytes) for each in fake_driver.allocated.values())
    eyes.close()
    fake_driver.capacity_bytes = needed - 1
    with pytest.raises(DeviceFull):
        open_eyes()
    assert not fake_driver.allocated
    assert not fake_cuda.graphs


def test_too_little_memory_for_one_more_camera_costs_the_others_nothing(gpu, eyes, fake_driver):
    eye, host = eyes.open(SCALE, None, lambda: None), Host(gpu)
    free = fake_driver.capacity_bytes
    fake_driver.capacity_bytes = sum(len(each.bytes) for each in fake_driver.allocated.values())
    with pytest.raises(DeviceFull, match="run fewer cameras"):
        eyes.open(SCALE, None, lambda: None)
    eye.add(0, image(0), with_flow=True)
    eyes.take_in()
    fake_driver.capacity_bytes = free
    host.add(0, image(0))
    assert_sees(eyes, eye.view(0, with_flow=True), host, 0)


def test_a_lost_gpu_is_a_sentence(eyes, fake_driver):
    eye = eyes.open(SCALE, None, lambda: None)
    eye.add(0, image(0), with_flow=True)
    fake_driver.lost = True
    with pytest.raises(DeviceFailed, match=r"unspecified launch failure.*--device cpu"):
        eyes.take_in()


def test_the_check_compares_with_the_cpu(open_eyes):
    words = eyes_check.check(open_eyes(PORTABLE), PORTABLE)
    assert words.startswith("pictures ")
    assert "of 255 from the CPU's (tolerance 1), flow 0." in words


@pytest.mark.parametrize("kernel", ["crop", "quantise", "exchange"])
def test_the_check_refuses_what_drifts(open_eyes, monkeypatch, kernel):
    """A kernel that does nothing."""
    before = Pictures.before_flow
    if kernel == "quantise":  # grey once more in its place
        monkeypatch.setattr(Pictures, "after_flow", lambda self, batch: before(self, batch)[1])
    else:
        monkeypatch.setattr(
            Pictures,
            "before_flow",
            lambda self, batch: [each for each in before(self, batch) if each.kernel != kernel],
        )
    with pytest.raises(EngineDrift, match="the GPU's pictures drift"):
        eyes_check.check(open_eyes(PORTABLE), PORTABLE)
