"""What becomes of a blurred clip that can't be finished, and of odd pictures."""

from pathlib import Path

import av
import numpy as np
import pytest

from stream.evidence.clip import write_blurred_clip, write_clip
from stream.evidence.folder import whole
from stream.evidence.holds import Holds
from stream.evidence.packets import Cut, PacketRing
from stream.evidence.picture import picture_at
from tests.stream.evidence.recorded import FPS, at_ns, brightness, feed, write_video

LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))


def cut_of(video: Path, start_s: float = 0.0, end_s: float = 9.0) -> Cut:
    ring = PacketRing(Holds(keep_s=60, longest_s=60))
    feed(ring, video)
    cut = ring.cut(at_ns(start_s), at_ns(end_s))
    assert cut is not None
    return cut


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "a.mp4", frames=50)


def test_one_that_takes_too_long_is_given_up_and_leaves_nothing(
    video: Path, tmp_path: Path
) -> None:
    asked: list[int] = []

    def too_late() -> bool:
        asked.append(1)
        return len(asked) == 20

    with pytest.raises(OSError, match="no time left"), whole(tmp_path / "a.mp4") as part:
        write_blurred_clip(cut_of(video), part, LEFT, too_late=too_late)
    assert len(asked) == 20
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_said_in_its_own_words(video: Path) -> None:
    full = Path("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        write_clip(cut_of(video), full)
    with pytest.raises(OSError, match="No space left on device"):
        write_blurred_clip(cut_of(video), full, LEFT, too_late=lambda: False)


def test_damaged_packets_cost_their_pictures_and_no_more(video: Path, tmp_path: Path) -> None:
    cut = cut_of(video)
    for place in (12, 13):
        damaged = bytearray(cut.packets[place].data)
        damaged[4:] = bytes(len(damaged) - 4)
        object.__setattr__(cut.packets[place], "data", bytes(damaged))
    path = tmp_path / "a.mp4"
    start_ns, end_ns = write_blurred_clip(cut, path, LEFT, too_late=lambda: False)
    assert start_ns == at_ns(0)
    assert end_ns == at_ns(49 / FPS)
    with av.open(str(path)) as container:
        assert 40 <= sum(1 for _ in container.decode(video=0)) <= 50


def test_pictures_of_an_odd_size_lose_a_line(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("mjpeg", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 63, 47, "yuvj444p"
        for tick in range(20):
            image = np.full((47, 63, 3), 60, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    write_blurred_clip(cut_of(tmp_path / "a.mkv"), tmp_path / "a.mp4", LEFT, too_late=lambda: False)
    with av.open(str(tmp_path / "a.mp4")) as container:
        frames = list(container.decode(video=0))
    assert {(frame.width, frame.height) for frame in frames} == {(62, 46)}
    assert brightness(frames[10].to_ndarray(format="rgb24")) == pytest.approx(30, abs=2)


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg4"])
def test_the_picture_of_a_time_is_found_whatever_the_camera_codes_with(
    tmp_path: Path, codec: str
) -> None:
    cut = cut_of(write_video(tmp_path / "a.mp4", frames=50, codec=codec), 0.5, 2.0)
    image, when_ns = picture_at(cut, at_ns(1.0))
    assert when_ns == at_ns(1.0)
    assert brightness(image) == pytest.approx(25, abs=2)
    # Between two pictures the grid repeats the one before, however near the next one is.
    assert picture_at(cut, at_ns(1.034))[1] == at_ns(1.0)
    first_ns = picture_at(cut, at_ns(-1.0))[1]  # the first that can be decoded
    assert cut.start_ns <= first_ns <= at_ns(0.5)
