"""A tiny bundle whose graphs are NumPy, a tiny real one, and a GPU that is not there."""

from pathlib import Path

import numpy as np
import pytest

import engine
from engine.bundle import Bundle, FlowEntry, Manifest, write_sums
from engine.calibration import fuse
from engine.cuda import gpu as gpu_module
from engine.cuda import graph
from engine.cuda.gpu import Gpu
from engine.tensorrt.library import TensorRT
from tests.engine.flow.host_device import compiled
from tests.engine.numpy_graphs import numpy_graphs
from tests.engine.tensorrt.fake_driver import FakeDriver
from tests.engine.tensorrt.fake_graphs import FakeCuda


@pytest.fixture(autouse=True, scope="session")
def _cache_of_its_own(tmp_path_factory):
    """Compiled graphs of the tests stay out of the user's cache, and theirs out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GESTA_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    """N = 3 segments of k = 4 samples, D 6, H 5, three classes, S = 8 px."""
    return Manifest(
        name="tiny",
        version="1",
        classes=("run", "sit", "wave"),
        backbone="none",
        segments=3,
        frames_per_segment=4,
        feature_width=6,
        hidden_width=5,
        input_size=8,
        resize=(12, 10),
        grid_fps=10,
        sample_every=2,
        flows={"dis": FlowEntry(bound_px=12, parameters={"preset": "medium"})},
        licence="Apache-2.0",
    )


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A real bundle of random weights: MobileNetV2 at 32 px, H 16, four classes."""
    pytest.importorskip("torch", reason="torch makes the tiny bundle: pip install .[training]")
    from training.export import random_bundle

    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    random_bundle(folder, hidden_width=16, input_size=32, classes=4)
    return Bundle.open(folder)


@pytest.fixture
def bundle_folder(tmp_path: Path, manifest: Manifest) -> Path:
    """A whole and correct bundle, save that its graphs are mere bytes."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "bundle.json").write_bytes(manifest.encode())
    for name in ("rgb", "flow", "rgb_head", "flow_head"):
        (folder / f"{name}.onnx").write_bytes(f"the graph {name}".encode())
    np.savez(folder / "golden.npz", **golden(manifest))
    write_sums(folder)
    return folder


@pytest.fixture
def numpy_bundle(bundle_folder: Path) -> Bundle:
    """The bundle that belongs to `numpy_graphs(manifest)`."""
    return Bundle.open(bundle_folder)


@pytest.fixture
def fake_driver():
    """What stands in for PyCUDA's."""
    return FakeDriver()


@pytest.fixture(scope="session")
def host_kernels(tmp_path_factory):
    """The kernels from frame to score as host code; skips where there is no C++ compiler."""
    program = Path(__file__).parent / "flow" / "kernels_on_host.cpp"
    return compiled(program, Path(engine.__file__).parent, tmp_path_factory.mktemp("kernels"))


@pytest.fixture
def fake_cuda(fake_driver, host_kernels, monkeypatch):
    """What stands in for the driver's CUDA graphs; with it the driver runs kernels, too."""
    cuda = FakeCuda(fake_driver)
    fake_driver.library = host_kernels
    monkeypatch.setattr(graph, "_bindings", lambda: cuda)
    monkeypatch.setattr(gpu_module, "cubin", lambda source, arch, cache: source.read_bytes())
    return cuda


@pytest.fixture
def load_tensorrt(fake_driver):
    """A function that loads a stand-in for TensorRT: the newest, unless told otherwise."""
    pytest.importorskip("onnx", reason="the stand-in for TensorRT reads graphs by onnx")
    from tests.engine.tensorrt.fake_tensorrt import FakeTensorRT

    gpu = Gpu(fake_driver)

    def load(version="11.4.0.106", **changes):
        trt = FakeTensorRT(fake_driver, version)
        for name, value in changes.items():
            setattr(trt, name, value)
        with gpu.current():
            return TensorRT(trt, gpu, gpu.driver_cuda)

    return load


@pytest.fixture(params=["8.6.0", "10.16.1.11", "11.4.0.106"])
def tensorrt(request, load_tensorrt):
    """In each version that is written for."""
    return load_tensorrt(request.param)


def golden(manifest: Manifest) -> dict[str, np.ndarray]:
    """What `numpy_graphs` gives, the window by the segment-by-segment reference."""
    draw = np.random.default_rng(0)
    graphs, size = numpy_graphs(manifest), manifest.input_size
    rgb_input = draw.integers(0, 256, (2, size, size, 3), np.uint8)
    flow_input = draw.integers(1, 256, (2, manifest.flow_channels, size, size), np.uint8)
    rgb, flow = graphs.rgb.run({"frames": rgb_input}), graphs.flow.run({"frames": flow_input})
    samples = manifest.window_samples + 5
    windows = draw.normal(0, 1, (2, samples, manifest.feature_width)).astype(np.float32)
    heads = (graphs.rgb_head.weights, graphs.flow_head.weights)
    probabilities = [
        fuse(
            heads[0].rolling(windows[0][: t + 1], manifest)[0],
            heads[1].rolling(windows[1][: t + 1], manifest)[0],
            manifest.calibration,
        ).fused
        for t in range(samples)
    ]
    return {
        "rgb_input": rgb_input,
        "flow_input": flow_input,
        "rgb_features": rgb["features"],
        "flow_features": flow["features"],
        "rgb_attention": rgb["attention"],
        "flow_attention": flow["attention"],
        "window_rgb": windows[0],
        "window_flow": windows[1],
        "window_probabilities": np.stack(probabilities),
    }
