"""Bundles and clips that the integration tests share; what is costly is made once a session."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from engine.bundle import BUILT_IN
from tests.rtsp_server import moving_bars

CLASSES = 6


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


def random_bundle(
    folder: Path,
    *,
    seed: int,
    segments: int,
    frames_per_segment: int,
    sample_every: int,
    backbone: str = "mobilenet_v2",
    input_size: int = 64,
    flow_downsampling: int = 1,
    resize: tuple[int, int] = (96, 72),
    grid_fps: float = 25.0,
    spatial_attention: bool = True,
) -> Path:
    """A bundle of random weights; on pictures so small, compiling and running it is quick."""
    from training.export import export_bundle
    from training.model.build import ModelConfig
    from training.random_model import random_model

    config = ModelConfig(
        classes=CLASSES,
        backbone=backbone,
        hidden_width=32,
        input_size=input_size,
        flow_downsampling=flow_downsampling,
        segments=segments,
        frames_per_segment=frames_per_segment,
        spatial_attention=spatial_attention,
    )
    fields = {
        "name": folder.name,
        "version": "0",
        "classes": [f"class_{number}" for number in range(CLASSES)],
        "resize": resize,
        "grid_fps": grid_fps,
        "sample_every": sample_every,
        "flows": {"dis": {"bound_px": 12.0}},
        "licence": "Apache-2.0",
    }
    export_bundle(random_model(config, seed=seed), config, folder, manifest=fields)
    return folder


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small, with the grid and window of the paper and of the default bundle: 3 x 10 at 25 Hz."""
    folder = tmp_path_factory.mktemp("bundles") / "small"
    return random_bundle(folder, seed=0, segments=3, frames_per_segment=10, sample_every=1)


@pytest.fixture(scope="session")
def light_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For daemons that must keep up on a busy machine: five predictions a second, 1.6 s long."""
    folder = tmp_path_factory.mktemp("bundles") / "light"
    return random_bundle(
        folder, seed=1, segments=2, frames_per_segment=4, sample_every=5, flow_downsampling=2
    )


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
    return [min(folder.glob("*.mp4")) for folder in classes]


@pytest.fixture(scope="session")
def other_clips(data_dir: Path) -> list[Path]:
    """Clips of other cameras, sizes and frame rates."""
    single = sorted(file for file in (data_dir / "single_clips").rglob("*") if file.is_file())
    return [*single, data_dir / "camera" / "opencv_vtest_480x360.avi"]


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of H.264 in MP4, 25 fps, with something moving in it."""
    return write_clip(tmp_path_factory.mktemp("clips") / "bars.mp4", frames=75)


@pytest.fixture(scope="session")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip that takes long to read: five minutes."""
    return write_clip(tmp_path_factory.mktemp("clips") / "long.mp4", frames=300, fps=1)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Something that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=8) as silent:
        yield silent.getsockname()[1]


def write_clip(path: Path, *, frames: int, fps: int = 25, codec: str = "libx264") -> Path:
    """Writes moving bars as a video file of 320x240 px."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.codec_context.thread_count = 1  # the same bytes on every machine
        for tick in range(frames):
            picture = av.VideoFrame.from_ndarray(moving_bars(tick, (320, 240)), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path
