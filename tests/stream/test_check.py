from types import SimpleNamespace

import pytest

from engine.flow.open import open_flow
from stream import check
from stream.check import Cost, Sent, cameras_held
from stream.configuration.config import CameraConfig, Config
from stream.errors import SourceError
from stream.sampler import Sampler
from tests.stream.stand_ins import Recogniser
from tests.stream.synthetic import picture, small_manifest, write_video


@pytest.fixture
def run(monkeypatch, capsys):
    """Checks a URL with an engine that costs nothing; returns what was printed."""
    manifest = small_manifest()
    graphs = SimpleNamespace(engine="none 1", device="cpu", precision="fp32", close=lambda: None)
    opening = SimpleNamespace(
        manifest=manifest,
        flow="dis",
        open_engine=lambda config, say: SimpleNamespace(recogniser=Recogniser(), graphs=graphs),
        open_sampler=lambda camera: Sampler(
            camera.name, manifest, open_flow("dis", {"preset": "ultrafast"}), camera.max_gap_s
        ),
    )
    monkeypatch.setattr(check, "open_bundle", lambda config: opening)
    monkeypatch.setattr(check, "RATE_S", 0.5)
    monkeypatch.setattr(check, "COST_S", 0.5)

    def checked(url, *, opens_url=True):
        camera = CameraConfig(name="cam0", url=str(url))
        check.check(Config(cameras=(camera,)), opens_url=opens_url)
        return capsys.readouterr().out

    return checked


def test_the_arithmetic_of_cameras():
    # 25 x (4 + 4) ms of one core and 25 x 10 ms of both cores: 700 of 2000 ms a second.
    sent, cost = Sent(25.0, None, 4.0), Cost(4.0, 10.0)
    assert cameras_held(sent, cost, cores=2, prediction_hz=25) == pytest.approx(2000 / 700)


def test_a_file_is_measured_and_described(run, tmp_path):
    video = write_video(tmp_path / "clip.mp4", (picture(tick) for tick in range(60)))
    text = run(video)
    assert "h264 128x96, 25 fps announced" in text
    assert "25.0 fps measured, delay unknown" in text
    assert "such cameras of 25 fps" in text
    assert "ms to decode" in text
    assert "slower than the bundle" not in text


def test_a_camera_much_slower_than_the_grid_gets_a_warning(run, tmp_path):
    video = write_video(tmp_path / "slow.mp4", (picture(tick) for tick in range(30)), fps=10)
    text = run(video)
    assert "10.0 fps measured" in text
    assert "much slower than the bundle's 25 fps" in text


def test_without_a_url_a_scene_stands_in(run):
    text = run("scene:?size=64x64&realtime=0", opens_url=False)
    assert "decoding comes on top" in text
    assert "source" not in text


def test_what_can_not_be_opened_is_exit_code_3(run, tmp_path):
    (tmp_path / "notes.mp4").write_text("no video")
    for url in (tmp_path / "missing.mp4", tmp_path / "notes.mp4"):
        with pytest.raises(SourceError) as caught:
            run(url)
        assert caught.value.exit_code == 3


def test_a_file_too_short_to_measure_is_a_sentence(run, tmp_path):
    video = write_video(tmp_path / "short.mp4", (picture(tick) for tick in range(4)))
    with pytest.raises(SourceError, match="gives only 4 pictures"):
        run(video)
