"""The kernels for the CPU, built once."""

import pytest

from tests.engine.flow import host_device


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """The TV-L1 kernels as host code; skips where there is no C++ compiler."""
    return host_device.build(tmp_path_factory.mktemp("kernels"))
