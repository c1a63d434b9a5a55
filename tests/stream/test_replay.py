from types import SimpleNamespace

import msgspec
import pytest

from engine.flow.open import open_flow
from stream.configuration.config import CameraConfig, Config
from stream.errors import ConfigError, Reason, SourceError
from stream.host_sight import HostSight
from stream.messaging.messages import TopLabel
from stream.replay import Played, Timeline, play, replay
from stream.sampler import Sampler
from stream.sources.open import open_source
from stream.sources.source import SourceOptions
from tests.stream.messaging.samples_of_messages import MODEL, envelope, prediction
from tests.stream.stand_ins import recognition
from tests.stream.synthetic import picture, small_manifest, write_video


class Recogniser:
    """Its opinion depends on every byte that it is shown."""

    def take_in(self):
        pass

    def step(self, samples):
        (sample,) = samples
        share = (int(sample.rgb.sum()) + 7 * int(sample.flow.sum())) % 1009 / 1009
        return [recognition(sample, (share, 1 - share))]


def played(path):
    camera = CameraConfig(name="cam0", url=str(path))
    manifest = small_manifest()
    opening = SimpleNamespace(
        manifest=manifest,
        model=lambda graphs: MODEL,
        open_sampler=lambda camera, eyes: Sampler(
            camera.name,
            manifest,
            lambda size: HostSight(manifest, open_flow("dis", {"preset": "ultrafast"})),
            camera.max_gap_s,
        ),
    )
    engine = SimpleNamespace(recogniser=Recogniser(), graphs=None, eyes=None)
    source = open_source(camera.url, SourceOptions())
    source.open()
    try:
        return list(play(source, Config(cameras=(camera,)), camera, opening, engine))
    finally:
        source.close()


def what_must_not_change(item):
    """A prediction without its ids, clock times and latencies."""
    message = msgspec.to_builtins(item.prediction)
    for key in ("id", "boot", "published_at"):
        del message[key]
    for key in ("capture_start", "capture_end", "latency_ms"):
        del message["time"][key]
    return message


def test_the_same_numbers_bit_for_bit_each_time(tmp_path):
    video = write_video(tmp_path / "clip.mp4", (picture(tick) for tick in range(40)))
    first, second = played(video), played(video)
    assert [what_must_not_change(item) for item in first] == [
        what_must_not_change(item) for item in second
    ]
    assert len(first) == 40
    assert [item.prediction.seq for item in first] == list(range(40))
    assert len({item.prediction.probabilities for item in first}) > 30
    assert first[-1].position_s == pytest.approx(39 / 25)
    assert first[-1].prediction.time.clock == "file"


def test_a_file_that_is_no_video_is_refused(tmp_path):
    (tmp_path / "notes.mp4").write_text("no video")
    with pytest.raises(SourceError) as caught:
        played(tmp_path / "notes.mp4")
    assert caught.value.exit_code == 3


def test_what_is_no_file_is_refused():
    config = Config(cameras=(CameraConfig(name="cam0", url="scene:"),))
    with pytest.raises(ConfigError, match="replay plays files"):
        replay(config, as_json=False)


def said(label, position_s, p=0.5, abstain=False, complete=True, epoch=0, **cut):
    message = prediction(envelope())
    message = msgspec.structs.replace(
        message,
        top=(TopLabel(label=label, p=p, p_rgb=p, p_flow=p),),
        abstain=abstain,
        stream_epoch=epoch,
        window=msgspec.structs.replace(message.window, complete=complete),
    )
    return Played(position_s, message, **cut)


def test_a_timeline_joins_what_is_the_same():
    timeline = Timeline()
    labels = ["idle", "idle", "walk", "walk", "walk", "idle"]
    ended = [timeline.add(said(label, 0.04 * i)) for i, label in enumerate(labels)]
    found = [(s.label, s.start_s, s.end_s) for s in [*ended, timeline.current] if s]
    assert found == [
        ("idle", 0.0, 0.04), ("walk", 0.08, 0.16), ("idle", 0.2, 0.2),
    ]  # fmt: skip
    assert timeline.predictions == 6


def test_a_stretch_tells_its_mean_probability():
    timeline = Timeline()
    for i, p in enumerate((0.25, 0.5, 0.75)):
        timeline.add(said("walk", i, p))
    text = str(timeline.current)
    assert "50%" in text
    assert "0.00 s" in text
    assert "2.00 s" in text


def test_what_the_model_would_rather_not_say_is_no_action():
    timeline = Timeline()
    timeline.add(said("walk", 0.0, 0.2, abstain=True))
    assert timeline.current.label == "(unsure)"


def lines(*items):
    timeline = Timeline()
    ended = [timeline.add(item) for item in items]
    return [str(stretch) for stretch in [*ended, timeline.current] if stretch is not None]


def test_a_window_that_is_not_full_is_marked():
    filling, whole = lines(
        said("walk", 0.0, complete=False), said("walk", 0.04, complete=False), said("walk", 0.08)
    )
    assert filling.endswith("50%  filling")
    assert "0.04 s" in filling
    assert whole.endswith("50%")


@pytest.mark.parametrize(
    ("cut", "words"),
    [
        ({"hole_s": 3.2, "reason": Reason.CLOCK_JUMP}, "3.20 s without a frame"),
        ({"hole_s": -1.5, "reason": Reason.CLOCK_JUMP}, "the timestamps leap back by 1.50 s"),
        ({"hole_s": 0.04, "reason": Reason.SIZE_CHANGE}, "the picture's size changes"),
    ],
)
def test_a_hole_is_marked_where_it_is(cut, words):
    before, after = lines(said("walk", 1.0), said("walk", 4.2, complete=False, epoch=1, **cut))
    assert "--" not in before
    mark, stretch = after.splitlines()
    assert f"-- {words}: the window starts anew --" in mark
    assert "4.20 s" in stretch
    assert stretch.endswith("filling")


def test_a_hole_in_a_file_is_found(tmp_path):
    times = [1000 * tick + (80_000 if tick >= 20 else 0) for tick in range(40)]  # 1/25000 s
    video = write_video(tmp_path / "hole.mp4", (picture(tick) for tick in range(40)), times=times)
    found = played(video)
    (cut,) = [i for i in range(1, 40) if found[i].prediction.stream_epoch == 1][:1]
    assert cut == 20
    assert found[cut].hole_s == pytest.approx(3.24)
    assert found[cut].position_s == pytest.approx(19 / 25 + 3.24)
    assert {item.prediction.stream_epoch for item in found[20:]} == {1}
    assert {item.hole_s for item in found[1:20]} == {0.04}
