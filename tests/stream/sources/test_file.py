from __future__ import annotations

import os
import time
from pathlib import Path

import av
import numpy as np
import pytest

from stream.errors import Reason, SourceError
from stream.frame import SourceFrame
from stream.sources.file import FileSource
from stream.sources.source import SourceOptions
from tests.stream.synthetic import STEP_NS, picture, write_video


def play(path: Path | str, **options: object) -> list[SourceFrame]:
    source = FileSource(str(path), SourceOptions(**options))  # type: ignore[arg-type]
    try:
        source.open()
        return list(source.frames())
    finally:
        source.close()


def refusal(path: Path | str) -> SourceError:
    with pytest.raises(SourceError) as refused:
        play(path)
    assert refused.value.exit_code == 3
    assert str(path) in str(refused.value)
    return refused.value


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.mp4", (picture(tick) for tick in range(30)))


def test_every_frame_with_its_own_time_and_picture(clip: Path) -> None:
    frames = play(clip)
    assert [frame.pts_ns for frame in frames] == [tick * STEP_NS for tick in range(30)]
    assert {(frame.width, frame.height, frame.clock) for frame in frames} == {(128, 96, "file")}
    with av.open(str(clip)) as container:
        for frame, plain in zip(frames, container.decode(video=0), strict=True):
            np.testing.assert_array_equal(frame.image(), plain.to_ndarray(format="rgb24"))


def test_opening_tells_what_it_is(clip: Path) -> None:
    source = FileSource(str(clip), SourceOptions())
    info = source.open()
    source.close()
    source.close()
    assert (info.width, info.height, info.fps, info.codec) == (128, 96, 25.0, "h264")
    assert not source.live


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mkv", "libx264"), ("a.avi", "mpeg4"), ("a.avi", "mjpeg"), ("a b#%.mp4", "libx264")],
)
def test_containers_and_names(tmp_path: Path, name: str, codec: str) -> None:
    path = write_video(tmp_path / name, (picture(tick) for tick in range(10)), codec=codec)
    times = [frame.pts_ns for frame in play(path)]
    assert len(times) == 10
    assert np.allclose(np.diff(times), STEP_NS, atol=1e6)
    assert len(play(f"file://{str(path).replace('%', '%25').replace(' ', '%20')}")) == 10


def test_an_avi_that_holds_no_presentation_times(tmp_path: Path) -> None:
    """Pictures predicted from later ones are stored behind them, with decoding times alone."""
    path = tmp_path / "a.avi"
    write_video(path, (picture(tick) for tick in range(20)), codec="libx264")
    with av.open(str(path)) as container:
        stored = [frame.pts for frame in container.decode(video=0)]
    assert stored != sorted(stored)  # or else there is nothing to put right
    assert np.allclose(np.diff([frame.pts_ns for frame in play(path)]), STEP_NS, atol=1e6)
    assert len(play(path)) == 20


def test_a_rate_that_is_no_whole_number_of_nanoseconds_never_drifts(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", (picture(t) for t in range(31)), fps=30)
    assert [f.pts_ns for f in play(path)][::3] == [tick * 100_000_000 for tick in range(11)]


def test_a_loop_begins_an_epoch_each_time(clip: Path) -> None:
    source = FileSource(str(clip), SourceOptions(loop=True))
    source.open()
    frames = source.frames()
    played = [next(frames) for _ in range(95)]
    source.close()
    assert [index for index, frame in enumerate(played) if frame.new_epoch] == [30, 60, 90]
    assert played[30].pts_ns == 0


def test_real_time_takes_its_time(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", (picture(t) for t in range(8)))
    began_s = time.monotonic()
    frames = play(path, realtime=True)
    assert time.monotonic() - began_s > 0.27  # seven steps of 40 ms
    assert len(frames) == 8


def test_a_missing_file() -> None:
    error = refusal("/no/such.mp4")
    assert error.reason is Reason.NOT_FOUND
    assert str(error) == "there is no file /no/such.mp4; check the path"


def test_a_folder(tmp_path: Path) -> None:
    error = refusal(tmp_path)
    assert (error.reason, "is a folder" in str(error)) == (Reason.CODEC, True)


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.touch()
    error = refusal(path)
    assert (error.reason, "is empty" in str(error)) == (Reason.CODEC, True)


@pytest.mark.parametrize("name", ["notes.mp4", "notes.txt", "notes.avi", "notes"])
def test_a_text_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("Dear diary,\n" * 500)
    assert refusal(path).reason is Reason.CODEC


def test_random_bytes(tmp_path: Path) -> None:
    path = tmp_path / "noise.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(100_000))
    assert refusal(path).reason is Reason.CODEC


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_file_without_permission(clip: Path) -> None:
    clip.chmod(0)
    assert refusal(clip).reason is Reason.PERMISSION


def test_permission_is_asked_of_the_system(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    error = refusal(clip)
    assert (error.reason, "no permission" in str(error)) == (Reason.PERMISSION, True)


def test_sound_alone(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        samples.rate = 8000
        container.mux(stream.encode(samples))
        container.mux(stream.encode(None))
    error = refusal(path)
    assert (error.reason, "has no video" in str(error)) == (Reason.CODEC, True)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_a_truncated_file_plays_what_it_has_and_says_so(tmp_path: Path, name: str) -> None:
    options = {"movflags": "faststart"} if name.endswith("mp4") else {}
    codec = "mpeg4" if name.endswith("avi") else "libx264"
    noise = np.random.default_rng(0)  # so that every picture takes its share of the bytes
    pictures = (
        picture(tick) // 2 + noise.integers(0, 60, (96, 128, 3), np.uint8) for tick in range(100)
    )
    path = write_video(tmp_path / name, pictures, options=options, codec=codec)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 4])
    source = FileSource(str(path), SourceOptions())
    source.open()
    frames: list[SourceFrame] = []
    with pytest.raises(SourceError, match="the file ends early") as ended:
        frames.extend(source.frames())
    source.close()
    assert ended.value.reason is Reason.CODEC
    assert 10 < len(frames) < 90


def test_a_truncated_file_whose_index_was_at_its_end(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", (picture(tick) for tick in range(30)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert refusal(path).reason is Reason.CODEC


def test_a_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    error = refusal("concat:a.mp4|b.mp4")
    assert error.reason is Reason.NOT_FOUND


def test_a_playlist_on_disk_does_not_reach_into_the_network(tmp_path: Path) -> None:
    path = tmp_path / "list.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n")
    error = refusal(path)
    assert (error.reason, "is a playlist" in str(error)) == (Reason.CODEC, True)


def test_real_clips_decode_as_training_does(data_dir: Path) -> None:
    from training.data.decode import decode

    clips = sorted(data_dir.rglob("*.avi"))[:3]
    assert clips
    for clip in clips:
        frames = play(clip)
        assert [frame.pts_ns for frame in frames] == [time for time, _ in decode(clip, (64, 48))]
