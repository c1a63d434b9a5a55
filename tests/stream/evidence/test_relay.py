"""Packets that go through another process are the same evidence."""

import pickle
from fractions import Fraction

import av
import pytest

from stream.evidence.clip import write_clip
from stream.evidence.holds import SECOND_NS, Holds
from stream.evidence.packets import PacketRing
from stream.evidence.picture import picture_at
from stream.evidence.relay import PacketRelay
from tests.stream.evidence.recorded import at_ns, brightness, feed, write_video


def ring():
    return PacketRing(Holds(keep_s=60, longest_s=60))


def relay_to(a_ring):
    return PacketRelay(lambda each: a_ring.take(pickle.loads(pickle.dumps(each))))


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.ts", "libx264", "yuv420p"),
        ("a.ts", "libx265", "yuv420p"),
        ("a.avi", "mjpeg", "yuvj420p"),
    ],
)
def test_clips_and_pictures_are_those_of_a_ring_that_was_fed_directly(
    tmp_path, name, codec, pix_fmt
):
    video = write_video(tmp_path / name, frames=100, codec=codec, pix_fmt=pix_fmt)
    direct, relayed = ring(), ring()
    feed(direct, video)
    feed(relay_to(relayed), video)
    wanted, given = direct.cut(at_ns(1), at_ns(3)), relayed.cut(at_ns(1), at_ns(3))
    assert wanted.packets
    assert given.packets == wanted.packets
    assert (given.start_ns, given.end_ns) == (wanted.start_ns, wanted.end_ns)
    assert given.template.time_base == wanted.template.time_base
    clips = []
    for cut in (wanted, given):
        write_clip(cut, tmp_path / "clip.mp4")
        clips.append(_read(tmp_path / "clip.mp4"))
    assert clips[0] == clips[1]
    assert brightness(picture_at(given, at_ns(2))[0]) == pytest.approx(50, abs=3)


def test_a_connection_begins_with_its_first_key_frame(tmp_path):
    """What comes before it is of no connection, the one before included."""
    video = write_video(tmp_path / "a.mp4", frames=100)
    relayed = ring()
    relay = relay_to(relayed)
    feed(relay, video)
    before = relayed.size_bytes
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        relay.opened(stream)
        later = [packet for packet in container.demux(stream) if packet.size][11:]
        for number, packet in enumerate(later):
            relay.add(packet)
            pts_ns = round(packet.pts * Fraction(packet.time_base) * SECOND_NS)
            relay.stamp(pts_ns, at_ns(10) + pts_ns)
            if number == 8:
                assert relayed.size_bytes == before
                assert relayed.cut(at_ns(0), at_ns(4)).end_ns == at_ns(3.96)
    assert relayed.cut(at_ns(0), at_ns(4)).start_ns == at_ns(0)
    assert relayed.cut(at_ns(10), at_ns(14)).start_ns == at_ns(10.8)


def _read(path):
    """A clip's packets, and how they are coded."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        coded = stream.codec_context
        packets = [(bytes(p), p.pts, p.dts, p.is_keyframe) for p in container.demux(stream)]
        said = (coded.name, coded.extradata, coded.width, coded.pix_fmt, coded.color_range)
        return stream.time_base, stream.duration, said, packets
