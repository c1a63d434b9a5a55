"""The kernels on host code against NumPy, and NumPy against the functions that the stream uses."""

from pathlib import Path

import numpy as np
import pytest

from engine import preprocess
from engine.cuda import gpu as gpu_module
from engine.cuda.gpu import Gpu
from engine.flow import pictures, quantise, stack
from tests.engine.flow import pictures_device as on
from tests.engine.flow import pictures_numpy as numpy
from tests.engine.flow.host_device import compiled
from tests.engine.tensorrt.fake_driver import FakeDriver

DOWNSAMPLINGS, BOUNDS = (1, 2, 3, 4), (4.0, 8.0, 12.5)


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    program = Path(__file__).with_name("pictures_on_host.cpp")
    return compiled(program, pictures.SOURCE.parent, tmp_path_factory.mktemp("kernels"))


@pytest.fixture
def device(kernels, monkeypatch):
    monkeypatch.setattr(gpu_module, "cubin", lambda source, arch, cache: source.read_bytes())
    driver = FakeDriver()
    driver.library = kernels
    gpu = Gpu(driver)
    with gpu.current():
        yield gpu


def frames(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize(("size", "to"), on.RESIZES)
def test_resize(device, size, to):
    on.check_resize(device, size, to)


@pytest.mark.parametrize(("size", "to"), [*on.RESIZES, ((1920, 1080), (300, 224))])
def test_numpys_resize_is_the_streams(size, to):
    """Random pixels: none of a real picture's neighbours are as far apart."""
    [frame] = source = frames(1, size[1], size[0], 3)
    off = np.abs(numpy.resize(source, to)[0].astype(int) - preprocess.resize(frame, to))
    assert off.max() <= 1
    assert off.mean() < 0.01


@pytest.mark.parametrize("p", DOWNSAMPLINGS)
def test_grey(device, p):
    on.check_grey(device, p)


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


@pytest.mark.parametrize("channels", [1, 3])
def test_crop(device, channels):
    on.check_crop(device, channels)


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


def test_what_the_kernels_do_not_do_is_refused():
    on.check_what_is_refused()
