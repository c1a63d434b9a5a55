"""The kernels from frames to a CNN's inputs on a real GPU, against NumPy."""

import pytest

from tests.engine.flow import pictures_device as on

pytestmark = pytest.mark.gpu


@pytest.fixture
def device(gpu):
    with gpu.current():
        yield gpu


@pytest.mark.parametrize(("size", "to"), on.RESIZES)
def test_resize(device, size, to):
    on.check_resize(device, size, to)


@pytest.mark.parametrize("p", [1, 2, 3, 4])
def test_grey(device, p):
    on.check_grey(device, p)


@pytest.mark.parametrize("bound_px", [4.0, 8.0, 12.5])
def test_quantise(device, bound_px):
    on.check_quantise(device, bound_px)


@pytest.mark.parametrize("channels", [1, 3])
def test_crop(device, channels):
    on.check_crop(device, channels)


def test_stack(device):
    on.check_stack(device)
