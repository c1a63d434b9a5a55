"""The kernels on host code against NumPy, and NumPy against the functions that the stream uses."""

import numpy as np
import pytest

from engine import preprocess
from engine.cuda.gpu import Gpu
from engine.flow import quantise, stack
from engine.flow.pictures import FRAME, Pictures
from tests.engine.flow import pictures_device as on
from tests.engine.flow import pictures_numpy as numpy

DOWNSAMPLINGS, BOUNDS = (1, 2, 3, 4), (4.0, 8.0, 12.5)


@pytest.fixture
def device(fake_driver, fake_cuda):
    gpu = Gpu(fake_driver)
    with gpu.current():
        yield gpu


def frames(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize(("sizes", "to"), on.SCALES)
def test_resize(device, sizes, to):
    on.check_resize(device, sizes, to)


@pytest.mark.parametrize(
    ("size", "to"),
    [(size, to) for sizes, to in on.SCALES for size in sizes] + [((1920, 1080), (300, 224))],
)
def test_numpys_resize_is_the_streams(size, to):
    """Random pixels: none of a real picture's neighbours are as far apart."""
    [frame] = source = frames(1, size[1], size[0], 3)
    off = np.abs(numpy.resize(source, to)[0].astype(int) - preprocess.resize(frame, to))
    assert off.max() <= 1
    assert off.mean() < 0.01


@pytest.mark.parametrize("p", DOWNSAMPLINGS)
def test_grey_and_crop(device, p):
    on.check_grey_and_crop(device, p)


@pytest.mark.parametrize("p", DOWNSAMPLINGS)
def test_numpys_grey_is_the_streams(p):
    [frame] = source = frames(1, 48, 120, 3)
    assert np.array_equal(numpy.grey(source, p)[0], preprocess.grey(frame, p))


@pytest.mark.parametrize("bound_px", BOUNDS)
def test_quantise(device, bound_px):
    on.check_quantise(device, bound_px)


@pytest.mark.parametrize("bound_px", BOUNDS)
def test_numpys_quantise_is_the_streams(bound_px):
    flow = np.random.default_rng(0).normal(0, bound_px, (2, 2, 30, 40)).astype(np.float32)
    assert np.array_equal(numpy.quantise(flow, bound_px), quantise.quantise(flow, bound_px))


def test_numpys_crop_is_the_streams():
    [frame] = source = frames(1, 61, 80, 3)
    assert np.array_equal(
        numpy.crop(source, 33)[0], preprocess.centre_crop(frame, 33, channels_last=True)
    )
    planes = frames(2, 61, 80)
    assert np.array_equal(
        numpy.crop(planes[..., None], 33)[..., 0],
        preprocess.centre_crop(planes, 33, channels_last=False),
    )


def test_stack(device):
    on.check_stack(device)


@pytest.mark.parametrize("tick", [0, 1, 4, 10])
def test_numpys_stack_is_the_streams(tick):
    pairs = frames(11, 2, 5, 5)
    pairs[0] = quantise.ZERO  # pair 0 stands for zero flow
    chosen = np.array([[j or -1 for j in stack.stack_ticks(tick)]])
    expected = stack.stack(lambda j: pairs[j], tick)
    assert np.array_equal(numpy.stack(pairs, chosen)[0], expected)


def test_a_frame_is_what_the_kernels_take_it_for():
    assert FRAME.itemsize == 48
    assert [FRAME.fields[name][1] for name in FRAME.names] == [0, 8, 16, 24, 32, 40, 44]


def test_where_a_side_grows_the_cpu_resizes():
    plan = Pictures((300, 224), 224, 2, 8.0, 127)
    assert plan.shrinks((300, 224))
    assert plan.shrinks((1920, 1080))
    assert not plan.shrinks((640, 223))
    assert not plan.shrinks((299, 480))
