from pathlib import Path

import pytest

from stream.evidence.holds import Holds
from stream.evidence.packets import UNTIMED_AT_MOST, PacketRing
from stream.evidence.picture import decoded
from tests.stream.evidence.recorded import FPS, GROUP, at_ns, feed, write_video

GROUP_S = GROUP / FPS


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "a.mp4", frames=250)  # 10 s


def test_a_cut_begins_with_the_key_frame_before(video: Path) -> None:
    ring = PacketRing(Holds(keep_s=60, longest_s=60))
    feed(ring, video)
    cut = ring.cut(at_ns(3.0), at_ns(5.0))
    assert cut is not None
    assert cut.packets[0].is_key
    assert at_ns(3.0 - GROUP_S) < cut.start_ns <= at_ns(3.0)
    assert at_ns(5.0 - 1 / FPS) <= cut.end_ns <= at_ns(5.0)


def test_a_cut_takes_what_there_is(video: Path) -> None:
    ring = PacketRing(Holds(keep_s=60, longest_s=60))
    assert ring.cut(at_ns(0), at_ns(1)) is None
    feed(ring, video)
    cut = ring.cut(at_ns(-5.0), at_ns(99.0))
    assert cut is not None
    assert (cut.start_ns, len(cut.packets)) == (at_ns(0), 250)
    assert ring.cut(at_ns(50.0), at_ns(60.0)) is None


def test_only_the_last_seconds_stay(video: Path) -> None:
    ring = PacketRing(Holds(keep_s=2.0, longest_s=60))
    feed(ring, video)
    cut = ring.cut(at_ns(0), at_ns(99))
    assert cut is not None
    oldest_s = 10.0 - 2.0 - 2 * GROUP_S
    assert cut.start_ns >= at_ns(oldest_s)


def test_what_is_held_stays_and_goes_when_it_is_released(video: Path) -> None:
    holds = Holds(keep_s=1.0, longest_s=60)
    ring = PacketRing(holds)
    holds.hold("event", at_ns(2.0))
    feed(ring, video)
    cut = ring.cut(at_ns(2.0), at_ns(99))
    assert cut is not None
    assert cut.start_ns <= at_ns(2.0)
    assert cut.end_ns >= at_ns(9.9)
    holds.release("event")
    feed(ring, video, after_s=10.0)
    assert ring.cut(at_ns(2.0), at_ns(8.0)) is None


def test_what_is_held_stays_so_long_from_its_beginning(video: Path) -> None:
    holds = Holds(keep_s=1.0, longest_s=3.0)
    ring = PacketRing(holds)
    holds.hold("event", at_ns(1.0))
    feed(ring, video)
    cut = ring.cut(at_ns(1.0), at_ns(4.0))
    assert cut is not None
    assert cut.end_ns >= at_ns(4.0 - GROUP_S)
    whole = ring.cut(at_ns(1.0), at_ns(99))
    assert whole is not None
    assert len(whole.packets) < 200  # what lies between the hold and the last second is gone


def test_memory_is_bounded_whatever_is_held(video: Path) -> None:
    holds = Holds(keep_s=60, longest_s=60)
    ring = PacketRing(holds, most_bytes=2000)
    holds.hold("event", at_ns(0))
    feed(ring, video)
    assert ring.size_bytes < 4000  # one group more than allowed, at most


def test_a_camera_without_key_frames_is_bounded_too(video: Path) -> None:
    import av

    ring = PacketRing(Holds(keep_s=1, longest_s=1), most_bytes=2000)
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        ring.opened(stream)
        first, *others = [packet for packet in container.demux(stream) if packet.size]
        ring.add(first)
        ring.stamp(0, at_ns(0))
        for packet in others * 5:
            if not packet.is_keyframe:
                ring.add(packet)
    assert ring.size_bytes <= 4000


def test_connections_of_which_no_frame_came_leave_nothing(video: Path) -> None:
    import av

    ring = PacketRing(Holds(keep_s=1, longest_s=1))
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        first = next(packet for packet in container.demux(stream) if packet.size)
        for _ in range(50):
            ring.opened(stream)
            ring.add(first)
    assert ring.size_bytes <= 2 * first.size


def test_an_event_is_cut_from_the_connection_that_has_it(video: Path) -> None:
    ring = PacketRing(Holds(keep_s=60, longest_s=60))
    feed(ring, video)
    assert ring.has(at_ns(8.0), until_ns=at_ns(9.5))
    assert not ring.has(at_ns(8.0), until_ns=at_ns(13.0))
    feed(ring, video, after_s=12.0)  # it came back during the post-roll
    assert ring.has(at_ns(8.0), until_ns=at_ns(13.0))  # more of the first will not come
    cut = ring.cut(at_ns(7.0), at_ns(13.0), of_ns=at_ns(8.0))
    assert cut is not None
    assert cut.start_ns <= at_ns(7.0)
    assert cut.end_ns < at_ns(10.0)


def test_a_new_connection_is_not_mixed_with_the_one_before(video: Path) -> None:
    ring = PacketRing(Holds(keep_s=60, longest_s=60))
    feed(ring, video)
    feed(ring, video, after_s=20.0)
    first, second = ring.cut(at_ns(1.0), at_ns(9.0)), ring.cut(at_ns(21.0), at_ns(22.0))
    assert first is not None
    assert second is not None
    assert first.end_ns <= at_ns(9.0)
    assert second.start_ns >= at_ns(20.0)
    assert first.template is not second.template
    across = ring.cut(at_ns(5.0), at_ns(25.0))
    assert across is not None
    assert across.start_ns >= at_ns(20.0)  # of the newest


def test_packets_before_anything_is_known_of_them_do_no_harm(video: Path) -> None:
    import av

    ring = PacketRing(Holds(keep_s=1, longest_s=1))
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        ring.add(packets[0])  # before a connection
        ring.stamp(0, at_ns(0))
        ring.opened(stream)
        ring.add(packets[1])  # before its first key frame
        assert ring.size_bytes == 0
        for packet in packets:
            ring.add(packet)  # when they were captured, nobody has said
    assert ring.cut(at_ns(0), at_ns(10)) is None
    assert ring.size_bytes > 0


def test_a_first_picture_without_a_time_belongs_just_before_the_next(video: Path) -> None:
    import av

    ring = PacketRing(Holds(keep_s=60, longest_s=60))
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size][:GROUP]
        ring.opened(stream)
        packets[0].pts = packets[0].dts = None
        for packet in packets:
            ring.add(packet)
        ring.stamp(0, at_ns(0))
        cut = ring.cut(at_ns(0), at_ns(GROUP_S))
    assert cut is not None
    assert cut.packets[0].is_key
    assert len(cut.packets) == GROUP
    times = [packet.dts for packet in cut.packets]
    assert times == sorted(set(times))
    assert cut.start_ns <= at_ns(0.1)
    shown = [round(float(frame.to_ndarray(format="rgb24").mean()) / 2) for frame, _ in decoded(cut)]
    assert shown == pytest.approx(range(GROUP), abs=2)


def test_packets_that_never_have_times_fill_no_memory(video: Path) -> None:
    import av

    ring = PacketRing(Holds(keep_s=60, longest_s=60))
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        ring.opened(stream)
        for packet in [packet for packet in container.demux(stream) if packet.size] * 3:
            packet.pts = None
            ring.add(packet)
    assert ring.size_bytes == 0
    assert len(ring._connections[0].untimed) <= UNTIMED_AT_MOST
