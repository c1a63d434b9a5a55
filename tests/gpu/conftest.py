"""The GPU that these tests need; without one they say what is missing, and pass by."""

import pytest

from engine.cuda.gpu import open_gpu
from engine.errors import DeviceMissing


@pytest.fixture(scope="session")
def gpu(tmp_path_factory):
    """This machine's GPU, with a cache of compiled kernels of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GESTA_CACHE", str(tmp_path_factory.mktemp("cache")))
        try:
            yield open_gpu()
        except DeviceMissing as missing:
            pytest.skip(str(missing))
