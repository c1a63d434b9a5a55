"""Bundles and clips that the integration tests share; what is costly is made once a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.bundle import BUILT_IN

SMALL_INPUT_PX = 64


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compiled graphs go into a cache of this run, so that the user's stays as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GESTA_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of random weights, small and quick, with the default one's grid and window."""
    from training.export import random_bundle

    folder = tmp_path_factory.mktemp("bundles") / "small"
    random_bundle(folder, hidden_width=32, input_size=SMALL_INPUT_PX)
    return folder


@pytest.fixture(scope="session")
def sparse_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another, whose samples lie two ticks apart."""
    from training.export import random_bundle

    folder = tmp_path_factory.mktemp("bundles") / "sparse"
    random_bundle(folder, hidden_width=32, input_size=SMALL_INPUT_PX, sample_every=2, seed=1)
    return folder


@pytest.fixture(scope="session")
def default_bundle() -> Path:
    """The bundle that the project ships."""
    folder = BUILT_IN / "default"
    if not folder.is_dir():
        pytest.skip("engine/bundles/default is not there")
    return folder


@pytest.fixture(scope="session")
def jhmdb_clips(data_dir: Path) -> list[Path]:
    """One clip of each of JHMDB's classes."""
    classes = sorted((data_dir / "jhmdb" / "videos").iterdir())
    return [sorted(folder.glob("*.mp4"))[0] for folder in classes]


@pytest.fixture(scope="session")
def other_clips(data_dir: Path) -> list[Path]:
    """Clips of other cameras, sizes and frame rates."""
    single = sorted(file for file in (data_dir / "single_clips").rglob("*") if file.is_file())
    return [*single, data_dir / "camera" / "opencv_vtest_480x360.avi"]
