"""The kernels between CNN and head on a real GPU, against NumPy: moves alone, so the same bits."""

import pytest

from tests.engine.tensorrt import rows_device

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("kernel", ["keep", "gather", "scatter"])
def test_a_kernel_does_what_numpy_does(gpu, kernel):
    with gpu.current():
        rows_device.check(gpu, kernel)
