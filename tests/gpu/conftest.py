"""The GPU that these tests need; without one they say what is missing, and pass by."""

import os

import pytest

from engine.cuda.gpu import open_gpu
from engine.errors import DeviceMissing


@pytest.fixture(scope="session")
def gpu(tmp_path_factory):
    """This machine's GPU, with a cache of kernels and plans of its own unless one is named."""
    with pytest.MonkeyPatch.context() as patch:
        if "GESTA_CACHE" not in os.environ:
            patch.setenv("GESTA_CACHE", str(tmp_path_factory.mktemp("cache")))
        try:
            yield open_gpu()
        except DeviceMissing as missing:
            pytest.skip(str(missing))
