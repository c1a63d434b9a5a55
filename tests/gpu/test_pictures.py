"""The kernels from frames to a CNN's inputs on a real GPU, against NumPy."""

import pytest

from tests.engine.flow import pictures_device as on

pytestmark = pytest.mark.gpu


@pytest.fixture
def device(gpu):
    with gpu.current():
        yield gpu


@pytest.mark.parametrize(("sizes", "to"), on.SCALES)
def test_resize(device, sizes, to):
    on.check_resize(device, sizes, to)


@pytest.mark.parametrize("p", [1, 2, 3, 4])
def test_grey_and_crop(device, p):
    on.check_grey_and_crop(device, p)


@pytest.mark.parametrize("bound_px", [4.0, 8.0, 12.5])
def test_quantise(device, bound_px):
    on.check_quantise(device, bound_px)


def test_stack(device):
    on.check_stack(device)
