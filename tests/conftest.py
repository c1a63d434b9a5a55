"""What every test may ask for: the real data and weights, where they lie on this machine."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


def _folder_from_environment(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set: this test needs the real files it points to")
    folder = Path(value)
    assert folder.is_dir(), f"{variable} is set to {folder}, which is no folder"
    return folder


@pytest.fixture(scope="session", autouse=True)
def _state_folder_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No daemon of a test opens what this user's own daemon keeps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("STATE_DIRECTORY", raising=False)
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real video and official splits."""
    return _folder_from_environment("GESTA_DATA")


@pytest.fixture(scope="session")
def weights_dir() -> Path:
    """The folder of ImageNet weights to start from."""
    return _folder_from_environment("GESTA_WEIGHTS")
