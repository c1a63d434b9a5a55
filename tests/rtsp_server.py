"""A real RTSP server for tests: H.264 over RTP, interleaved in TCP or over UDP, on loopback.

The packets are PyAV's own (its `rtp` muxer); the conversation around them is written here, so that
a test can make the server misbehave: stall, drop, send garbage, jump its clock, change its size.

    with RtspServer(size=(320, 240)) as server:
        open_camera(server.url)
        server.stall()

`stop()` and `start()` keep the port, as a camera does that loses its power.
"""

from __future__ import annotations

import base64
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from io import RawIOBase
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]  # [H,W,3] RGB

CLOCK_HZ = 90_000
_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
    "m={media} 0 RTP/AVP 96\r\na=rtpmap:96 {codec}\r\n{format}a=control:track1\r\n"
)
_VIDEO_FORMAT = "a=fmtp:96 packetization-mode=1\r\n"


def moving_bars(tick: int, size: tuple[int, int]) -> Picture:
    """A picture [H,W,3] whose bars move by 3 px a tick, so that flow has something to see."""
    width, height = size
    x = (np.arange(width) + 3 * tick)[None, :, None]
    y = np.arange(height)[:, None, None]
    colour = np.array([2, 3, 5])[None, None, :]
    return ((x * colour + 2 * y) % 256).astype(np.uint8)


class RtspServer:
    """Serves endless H.264 at `rtsp://127.0.0.1:port/stream` to any number of clients.

    Args:
        size: width and height in pixels (both even).
        fps: pictures a second, with timestamps to match.
        picture: (tick, size) -> the picture to show; each client starts at tick 0.
        user, password: if given, Basic authentication is asked for.
        codec: the RTP map name announced; anything but H264 announces what is never sent.
        media: the SDP's media kind; "audio" makes a stream without video.
        burst: how many pictures are sent at once at the start, as a camera's buffer does.
        transports: what SETUP agrees to.
    """

    def __init__(
        self,
        *,
        size: tuple[int, int] = (320, 240),
        fps: float = 25.0,
        picture: Callable[[int, tuple[int, int]], Picture] = moving_bars,
        user: str | None = None,
        password: str | None = None,
        codec: str = "H264/90000",
        media: str = "video",
        burst: int = 0,
        transports: tuple[str, ...] = ("tcp", "udp"),
        path: str = "/stream",
        port: int = 0,
    ) -> None:
        self.size = size
        self.fps = fps
        self.picture = picture
        self.user, self.password = user, password
        self.codec, self.media = codec, media
        self.burst = burst
        self.transports = transports
        self.path = path
        self.port = port
        self.clients_seen = 0
        self.jump_s = 0.0  # added to every timestamp from now on
        self.garbage_packets = 0  # so many RTP payloads are overwritten with noise
        self._stalled = threading.Event()
        self._stopping = threading.Event()
        self._clients: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None

    # --- what a test does ---------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Without credentials."""
        return f"rtsp://127.0.0.1:{self.port}{self.path}"

    def url_with(self, credentials: str) -> str:
        """With `user:password` as given, raw or encoded."""
        return f"rtsp://{credentials}@127.0.0.1:{self.port}{self.path}"

    def start(self) -> RtspServer:
        """Listens; returns when clients can connect."""
        self._stopping.clear()
        self._stalled.clear()
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._spawn(self._accept, listener)
        return self

    def stop(self) -> None:
        """Kills everything at once, as a power cut would; `start` brings it back."""
        self._stopping.set()
        if self._listener is not None:
            # shutdown wakes the accepting thread; close alone would leave it blocked
            _quietly(lambda: self._listener.shutdown(socket.SHUT_RDWR))  # type: ignore[union-attr]
            self._listener.close()
            self._listener = None
        self.drop()
        for thread in self._threads:
            thread.join(timeout=5)
        self._threads.clear()

    def drop(self) -> None:
        """Cuts every connection; new ones are welcome."""
        with self._lock:
            for client in self._clients:
                _quietly(lambda client=client: client.shutdown(socket.SHUT_RDWR))

    def stall(self) -> None:
        """Sends nothing any more, and closes nothing."""
        self._stalled.set()

    def resume(self) -> None:
        """Sends again, at the present time: what fell into the stall is never sent."""
        self._stalled.clear()

    def jump(self, seconds: float) -> None:
        """Timestamps leap by so much (forward or back) from the next packet on."""
        self.jump_s += seconds

    def garbage(self, packets: int = 20) -> None:
        """The next RTP payloads are noise."""
        self.garbage_packets += packets

    def change_size(self, size: tuple[int, int]) -> None:
        """The running streams go on in another size."""
        self.size = size

    def __enter__(self) -> RtspServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- the conversation -----------------------------------------------------------------------

    def _spawn(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True, name="rtsp-server")
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self._clients.add(client)
                self.clients_seen += 1
            self._spawn(self._converse, client)

    def _converse(self, client: socket.socket) -> None:
        """Answers one client until it goes."""
        session = _Session(client)
        try:
            with client, client.makefile("rb") as reader:
                while (request := _read_request(reader)) is not None:
                    method, url, headers = request
                    reply = self._reply(method, url, headers, session)
                    session.send(_response(reply, headers.get("cseq", "0")))
                    if method == "PLAY" and reply[0] == 200:
                        self._spawn(self._send_stream, session)
                    if method == "TEARDOWN":
                        return
        except OSError:
            return
        finally:
            session.close()
            with self._lock:
                self._clients.discard(client)

    def _reply(
        self, method: str, url: str, headers: dict[str, str], session: _Session
    ) -> tuple[int, dict[str, str], str]:
        if method == "OPTIONS":
            return 200, {"Public": "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"}, ""
        if not self._is_welcome(headers):
            return 401, {"WWW-Authenticate": 'Basic realm="camera"'}, ""
        if not re.sub(r"^rtsp://[^/]*", "", url).startswith(self.path):
            return 404, {}, ""
        if method == "DESCRIBE":
            wanted = _VIDEO_FORMAT if self.codec.startswith("H264") else ""
            sdp = _SDP.format(media=self.media, codec=self.codec, format=wanted)
            return 200, {"Content-Type": "application/sdp", "Content-Base": self.url + "/"}, sdp
        if method == "SETUP":
            return self._set_up(headers.get("transport", ""), session)
        return 200, {"Session": "1"}, ""

    def _set_up(self, wanted: str, session: _Session) -> tuple[int, dict[str, str], str]:
        if "interleaved" in wanted and "tcp" in self.transports:
            return 200, {"Session": "1", "Transport": wanted}, ""
        ports = re.search(r"client_port=(\d+)-(\d+)", wanted)
        if ports is None or "udp" not in self.transports:
            return 461, {}, ""
        session.go_udp(int(ports[1]), int(ports[2]))
        return 200, {"Session": "1", "Transport": f"{wanted};server_port={session.udp_ports}"}, ""

    def _is_welcome(self, headers: dict[str, str]) -> bool:
        if self.user is None:
            return True
        expected = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return headers.get("authorization", "") == f"Basic {expected}"

    # --- the stream -----------------------------------------------------------------------------

    def _send_stream(self, session: _Session) -> None:
        if not (self.media == "video" and self.codec.startswith("H264")):
            return
        try:
            self._encode_and_send(session)
        except OSError:
            return

    def _encode_and_send(self, session: _Session) -> None:
        sink = _PacketSink(self, session)
        size, encoder, muxer = None, None, None
        began_s, tick = time.monotonic() - self.burst / self.fps, 0
        while not (self._stopping.is_set() or session.over.is_set()):
            wait_s = began_s + tick / self.fps - time.monotonic()
            if wait_s > 0:
                session.over.wait(wait_s)
            if not self._stalled.is_set():
                if size != self.size:
                    size = self.size
                    encoder = _encoder(size, self.fps)
                if muxer is None:
                    muxer = av.open(
                        sink, "w", format="rtp", options={"packetsize": "1400"}, buffer_size=2000
                    )
                    track = muxer.add_stream("libx264", rate=round(self.fps))
                    track.width, track.height = size
                    track.pix_fmt = "yuv420p"
                    track.time_base = Fraction(1, CLOCK_HZ)
                assert encoder is not None
                frame = av.VideoFrame.from_ndarray(self.picture(tick, size), format="rgb24")
                frame.pts = round(tick * CLOCK_HZ / self.fps)
                frame.time_base = Fraction(1, CLOCK_HZ)
                for packet in encoder.encode(frame):
                    packet.stream = track
                    muxer.mux(packet)
            tick += 1


class _Session:
    """Where one client's packets go."""

    def __init__(self, client: socket.socket) -> None:
        self.over = threading.Event()
        self._client = client
        self._lock = threading.Lock()
        self._udp: tuple[socket.socket, socket.socket] | None = None
        self._peers: tuple[int, int] = (0, 0)

    @property
    def udp_ports(self) -> str:
        assert self._udp is not None
        return "-".join(str(each.getsockname()[1]) for each in self._udp)

    def go_udp(self, rtp_port: int, rtcp_port: int) -> None:
        pair = tuple(socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for each in pair:
            each.bind(("127.0.0.1", 0))
        self._udp, self._peers = (pair[0], pair[1]), (rtp_port, rtcp_port)

    def close(self) -> None:
        self.over.set()
        for each in self._udp or ():
            each.close()

    def send(self, text: bytes) -> None:
        with self._lock:
            self._client.sendall(text)

    def send_packet(self, packet: bytes, *, is_rtcp: bool) -> None:
        if self._udp is not None:
            self._udp[is_rtcp].sendto(packet, ("127.0.0.1", self._peers[is_rtcp]))
            return
        self.send(struct.pack(">cBH", b"$", int(is_rtcp), len(packet)) + packet)


class _PacketSink(RawIOBase):
    """What the muxer writes into: one RTP or RTCP packet a call."""

    def __init__(self, server: RtspServer, session: _Session) -> None:
        self._server = server
        self._session = session

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        packet = bytearray(data)
        is_rtcp = 200 <= packet[1] <= 204
        place = 16 if is_rtcp else 4  # of the RTP timestamp
        if len(packet) >= place + 4:
            (stamp,) = struct.unpack_from(">I", packet, place)
            stamp += round(self._server.jump_s * CLOCK_HZ)
            struct.pack_into(">I", packet, place, stamp % 2**32)
        if not is_rtcp and self._server.garbage_packets > 0:
            self._server.garbage_packets -= 1
            noise = np.random.default_rng(len(packet)).integers(0, 256, len(packet) - 12, np.uint8)
            packet[12:] = noise.tobytes()
        self._session.send_packet(bytes(packet), is_rtcp=is_rtcp)
        return len(data)


def _encoder(size: tuple[int, int], fps: float) -> Any:
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, CLOCK_HZ)
    encoder.framerate = Fraction(fps).limit_denominator(1000)
    encoder.gop_size = 25
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "threads": "1"}
    return encoder


def _read_request(reader: Any) -> tuple[str, str, dict[str, str]] | None:
    """The next request; interleaved packets from the client (receiver reports) are passed over."""
    while True:
        first = reader.read(1)
        if not first:
            return None
        if first == b"$":
            _, length = struct.unpack(">BH", reader.read(3))
            reader.read(length)
            continue
        line = (first + reader.readline()).decode("latin-1").strip()
        if not line:
            continue
        headers: dict[str, str] = {}
        while header := reader.readline().decode("latin-1").strip():
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        reader.read(int(headers.get("content-length", "0")))
        method, url, _ = [*line.split(), "", ""][:3]
        return method, url, headers


def _response(reply: tuple[int, dict[str, str], str], sequence: str) -> bytes:
    code, headers, body = reply
    words = {200: "OK", 401: "Unauthorized", 404: "Not Found", 461: "Unsupported Transport"}
    lines = [f"RTSP/1.0 {code} {words[code]}", f"CSeq: {sequence}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def _quietly(action: Callable[[], object]) -> None:
    try:
        action()
    except OSError:
        return
