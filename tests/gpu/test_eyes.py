"""Pictures and flow of several cameras on a real GPU, against the host."""

import pytest

from engine.bundle import Bundle
from engine.flow import eyes_check
from engine.flow.cuda_eyes import CudaEyes
from engine.flow.pictures import Pictures
from engine.flow.tvl1_settings import TvL1Settings
from tests.engine.flow import eyes_device as on
from tests.engine.flow.pictures import PORTABLE

pytestmark = pytest.mark.gpu


@pytest.fixture
def open_eyes(gpu):
    """A function that opens eyes for pictures of some sizes; closed at the end."""
    opened = []

    def make(pictures, parameters):
        with gpu.current():
            settings = TvL1Settings.of(parameters)
            streams = {"compute": gpu.stream(), "copies": gpu.stream()}
            opened.append(CudaEyes(gpu, pictures, settings, lag=3, **streams))
        return opened[-1]

    yield make
    for eyes in opened:
        eyes.close()


def test_cameras_see_what_the_host_sees(gpu, open_eyes):
    on.check_cameras(gpu, open_eyes(on.PICTURES, on.FEW))


def test_a_batch_is_one_launch(open_eyes):
    sizes = (1, 4, 16, 64)
    assert open_eyes(on.PICTURES, on.FEW).captured == {"flow": sizes, "rgb": sizes}


def test_the_built_in_bundles_pictures_pass_the_check(open_eyes):
    manifest = Bundle.open("default").manifest
    entry = manifest.flow_entry("tvl1")
    eyes = open_eyes(Pictures.of(manifest, entry.bound_px, hidden=127), entry.parameters)
    print(eyes_check.check(eyes, entry.parameters))


def test_frames_take_no_memory(gpu, open_eyes):
    eyes = open_eyes(on.PICTURES, PORTABLE)
    opened = [eyes.open(on.SCALE, None, lambda: None) for _ in range(21)]
    free = []
    for tick in range(30):
        for n, eye in enumerate(opened):
            eye.add(tick, on.image(tick, seed=n), with_flow=True)
        eyes.take_in()
        eyes.read(opened[-1].crop())  # waits for it
        with gpu.current():
            free.append(gpu.free_bytes())
    assert len(set(free[1:])) == 1
