from types import SimpleNamespace

import numpy as np
import pytest

from engine.flow.open import open_flow
from stream import capacity, check
from stream.capacity import (
    Cost,
    Sent,
    cameras_held,
    cameras_of_one_daemon,
    measure_frames,
    measure_steps,
)
from stream.configuration.config import CameraConfig, Config
from stream.errors import SourceError
from stream.host_sight import HostSight
from stream.sampler import Sampler
from tests.stream.stand_ins import Recogniser, stream_sample
from tests.stream.synthetic import picture, small_manifest, write_video


@pytest.fixture
def run(monkeypatch, capsys):
    """Checks a URL with an engine that costs nothing; returns what was printed."""
    manifest = small_manifest()
    graphs = SimpleNamespace(engine="none 1", device="cpu", precision="fp32", close=lambda: None)
    opening = SimpleNamespace(
        manifest=manifest,
        bundle=SimpleNamespace(offers=lambda precision: precision == "bf16"),
        flow="dis",
        open_engine=lambda config, say: SimpleNamespace(
            recogniser=Recogniser(), graphs=graphs, eyes=None
        ),
        open_sampler=lambda camera, eyes, **given: Sampler(
            camera.name,
            manifest,
            lambda size: HostSight(manifest, open_flow("dis", {"preset": "ultrafast"})),
            camera.max_gap_s,
            **given,
        ),
    )
    monkeypatch.setattr(check, "open_bundle", lambda config: opening)
    monkeypatch.setattr(check, "RATE_S", 0.5)
    monkeypatch.setattr(check, "SAMPLING_S", 0.5)
    monkeypatch.setattr(capacity, "STEPS_S", 0.05)

    def checked(url, *, opens_url=True, **given):
        camera = CameraConfig(name="cam0", url=str(url))
        check.check(Config(cameras=(camera,), **given), opens_url=opens_url)
        return capsys.readouterr().out

    return checked


def test_the_arithmetic_of_cameras():
    # 25 x (4 + 4) ms of one core and 25 x 10 ms of both cores: 700 of 2000 ms a second.
    sent, cost = Sent(25.0, None, 4.0), Cost(4.0, {1: 10.0})
    machine = {"cores": 2, "prediction_hz": 25, "on_cores": True}
    assert cameras_held(sent, cost, **machine) == pytest.approx(2000 / 700)


def test_a_batch_counts_where_enough_cameras_fill_it():
    # No capture to speak of, so that a camera takes 25 times its step: 4 ms each in batches of 4.
    sent, machine = Sent(25.0, None, 0.0), {"cores": 2, "prediction_hz": 25, "on_cores": True}
    assert cameras_held(sent, Cost(0.0, {1: 8.0, 4: 4.0}), **machine) == pytest.approx(10)
    # At 12 ms each three cameras fit, and they don't fill a batch of four.
    assert cameras_held(sent, Cost(0.0, {1: 16.0, 4: 12.0}), **machine) == pytest.approx(2.5)


def test_an_accelerator_computes_beside_the_cores_and_either_may_be_the_limit():
    sent = Sent(25.0, None, 4.0)  # with 4 ms more, 200 ms a second and camera
    machine = {"cores": 16, "prediction_hz": 5, "on_cores": False}
    costs = {1: 3.0, 8: 0.75, 32: 0.5, 128: 0.4}
    assert cameras_held(sent, Cost(4.0, costs), **machine) == pytest.approx(80)  # cores
    assert cameras_held(sent, Cost(4.0, {1: 3.0}), **machine) == pytest.approx(1000 / 15)


def test_one_daemon_serves_what_its_interpreter_has_time_for():
    sent = Sent(25.0, None, 0.0)
    # 25 frames of 0.1 ms and 25 or 5 predictions of 0.4 ms are 12.5 and 4.5 ms a second.
    assert cameras_of_one_daemon(sent, 25) == pytest.approx(1000 / 12.5)
    assert cameras_of_one_daemon(sent, 5) == pytest.approx(1000 / 4.5)


def test_what_other_processes_have_to_do_counts_where_so_many_are_held():
    sent, machine = Sent(25.0, None, 1.0), {"cores": 4, "prediction_hz": 5, "on_cores": False}
    # 25 x (1 + 0.25) ms of 4000, and 25 x (1 + 1) where the pictures are resized there.
    assert cameras_held(sent, Cost(0.25, {1: 0.1}), **machine) == pytest.approx(128)
    assert cameras_held(sent, Cost(0.25, {1: 0.1}, {}, 1.0), **machine) == pytest.approx(80)
    # Not so many that it comes to that: they are captured in the daemon, and that is what it holds.
    assert cameras_held(sent, Cost(0.25, {1: 0.1}, {}, 4.0), **machine) == pytest.approx(48)
    slow = Sent(25.0, None, 5.0)
    assert cameras_held(slow, Cost(0.25, {1: 0.1}, {}, 4.0), **machine) == pytest.approx(
        4000 / 131.25
    )
    # Where a GPU decodes, other processes capture however few there are: 25 x (1 + 4) ms of 4000.
    assert cameras_held(
        sent, Cost(0.25, {1: 0.1}, {}, 4.0), **machine, alone_at_most=0
    ) == pytest.approx(32)


@pytest.mark.parametrize(("sample_ms", "several"), [(0.01, True), (20.0, False)])
def test_it_says_when_a_machine_holds_more_than_one_daemon_serves(capsys, sample_ms, several):
    graphs = SimpleNamespace(device="cuda", precision="fp16")
    opening = SimpleNamespace(manifest=small_manifest(), bundle=None)
    cost, engine = Cost(sample_ms, {1: 0.01}), SimpleNamespace(graphs=graphs)
    check._say_capacity(Sent(25.0, None, 0.01), cost, opening, engine, "cpu")
    said = capsys.readouterr().out
    assert ("run several for more" in said) is several
    assert ("processes beside the daemon's own" in said) is several


def test_each_batch_size_is_measured_by_the_prediction_and_leaves_nothing_behind(monkeypatch):
    class Engine(Recogniser):
        def step(self, samples):
            clock.now_ns += {1: 10_000_000, 4: 20_000_000}[len(samples)]
            return super().step(samples)

    clock = SimpleNamespace(now_ns=0, monotonic_ns=lambda: clock.now_ns)
    monkeypatch.setattr(capacity, "time", clock)
    engine = Engine()
    assert measure_steps(engine, stream_sample().sample) == {1: 10.0, 4: 5.0}
    assert set(engine.forgotten) == {name for step in engine.steps for name in step}


def test_frames_that_the_accelerator_sees_to_are_its_work_too():
    # 5 predictions of 3 ms and 25 frames of 1 ms are 40 ms a second of one camera; with 16 cameras
    # 5 of 0.5 ms and 25 of 0.2 ms are 7.5 ms.
    sent, machine = Sent(25.0, None, 0.0), {"cores": 64, "prediction_hz": 5, "on_cores": False}
    frame_ms = {1: 1.0, 16: 0.2}
    assert cameras_held(sent, Cost(0.1, {1: 3.0}, frame_ms), **machine) == pytest.approx(25)
    many = Cost(0.1, {1: 3.0, 32: 0.5}, frame_ms)
    assert cameras_held(sent, many, **machine) == pytest.approx(1000 / 7.5)


def test_frames_are_measured_with_their_flow_and_leave_nothing_behind(monkeypatch):
    class Sight:
        def __init__(self):
            self.added, self.closed = [], False

        def add(self, tick, image, *, with_flow):
            self.added.append((tick, image.shape, with_flow))

        def close(self):
            self.closed = True

    class Eyes:
        def __init__(self):
            self.opened, self.taken_in = [], 0

        def open(self, size, outside, handed_over):
            assert (size, outside) == ((30, 20), None)
            self.opened.append(Sight())
            return self.opened[-1]

        def take_in(self):
            self.taken_in += 1

        def wait(self):
            of_batch = [each for each in self.opened if not each.closed]
            clock.now_ns += {1: 2_000_000, 16: 8_000_000}[len(of_batch)]

    clock = SimpleNamespace(now_ns=0, monotonic_ns=lambda: clock.now_ns)
    monkeypatch.setattr(capacity, "time", clock)
    eyes = Eyes()
    found = measure_frames(eyes, np.zeros((20, 30, 3), np.uint8), with_flow=True)
    assert found == {1: 2.0, 16: 0.5}
    assert all(each.closed for each in eyes.opened)
    first, second, *_ = eyes.opened[0].added
    assert (first, second) == ((0, (20, 30, 3), True), (1, (20, 30, 3), True))


def test_a_file_is_measured_and_described(run, tmp_path):
    video = write_video(tmp_path / "clip.mp4", (picture(tick) for tick in range(60)))
    text = run(video)
    assert "h264 128x96, 25 fps announced" in text
    assert "25.0 fps measured, delay unknown" in text
    assert "such cameras of 25 fps" in text
    assert "ms for both streams, " in text
    assert "in batches of 4 (all cores, per prediction)" in text
    assert "with RGB alone, which is how too many are looked at" in text
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


def test_who_never_wants_rgb_alone_is_not_told_of_it(run):
    text = run("scene:?size=64x64&realtime=0", opens_url=False, rgb_when_overloaded=False)
    assert "RGB alone" not in text
