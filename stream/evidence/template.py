"""How the packets of a connection are coded."""

from __future__ import annotations

import io
from fractions import Fraction

import av
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from stream.evidence.packet import EncodedPacket

_FORMAT = "nut"  # keeps what a stream says of itself as it is, whatever the codec


class Template:
    """For as long as anything is made of a connection's packets.

    A camera's own container is closed when its connection ends; a stream of an output that is
    never written keeps the same parameters.
    """

    def __init__(self, stream: VideoStream, time_base: Fraction | None = None) -> None:
        time_base = stream.time_base if time_base is None else time_base
        assert time_base is not None
        self.time_base: Fraction = time_base
        self._container: OutputContainer = av.open(io.BytesIO(), "w", format=_FORMAT)
        self.stream = self._container.add_stream_from_template(stream)
        self.stream.time_base = time_base  # what a clip is given, too

    @classmethod
    def of(cls, header: bytes, time_base: Fraction) -> Template:
        """From what `header_of` gave, in another process."""
        with av.open(io.BytesIO(header), format=_FORMAT) as container:
            return cls(container.streams.video[0], time_base)

    def decoder(self) -> VideoCodecContext:
        """A new one. Raises av.FFmpegError where FFmpeg has none."""
        parameters = self.stream.codec_context
        decoder = av.CodecContext.create(parameters.codec.canonical_name, "r")
        assert isinstance(decoder, VideoCodecContext)
        decoder.extradata = parameters.extradata
        decoder.thread_count = 1  # the cameras go first
        return decoder


def header_of(stream: VideoStream, key: EncodedPacket) -> bytes:
    """What a stream's template can be made of elsewhere. key: a packet with a key frame, without
    which FFmpeg writes none.
    """
    file = io.BytesIO()
    with av.open(file, "w", format=_FORMAT) as container:
        copied = container.add_stream_from_template(stream)
        packet = av.Packet(key.data)
        packet.pts = packet.dts = 0
        packet.is_keyframe, packet.stream = True, copied
        assert stream.time_base is not None
        packet.time_base = stream.time_base
        container.mux(packet)
    return file.getvalue()
