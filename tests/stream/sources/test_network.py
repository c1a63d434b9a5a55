"""Against a real RTSP server on loopback, and small HTTP servers."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from stream.errors import Reason, SourceError
from stream.frame import SourceFrame
from stream.sources.history import History
from stream.sources.network import NetworkSource
from stream.sources.source import SourceOptions
from tests.rtsp_server import RtspServer
from tests.stream.synthetic import picture

STEP_NS = 40_000_000
PASSWORD = "p@s:s/w#o%rd"  # every character that people forget to encode


def read(
    url: str,
    frames: int,
    during: Callable[[int], object] = lambda n: None,
    **options: object,
) -> list[SourceFrame]:
    """The first so many frames; `during` is called with the number after each."""
    source = NetworkSource(url, SourceOptions(**options))  # type: ignore[arg-type]
    seen = []
    try:
        source.open()
        for frame in source.frames():
            seen.append(frame)
            during(len(seen))
            if len(seen) == frames:
                break
    finally:
        source.close()
    return seen


def refusal(url: str, **options: object) -> SourceError:
    with pytest.raises(SourceError) as refused:
        read(url, 1, **options)
    assert PASSWORD not in str(refused.value)
    assert refused.value.__cause__ is None  # FFmpeg's own text would hold the password
    return refused.value


@pytest.fixture
def server() -> Iterator[RtspServer]:
    with RtspServer() as running:
        yield running


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_frames_over_rtsp(server: RtspServer, transport: str) -> None:
    frames = read(server.url, 30, transport=transport)
    assert {(frame.width, frame.height) for frame in frames} == {(320, 240)}
    assert set(np.diff([frame.pts_ns for frame in frames])) == {STEP_NS}
    image = frames[-1].image()
    assert (image.shape, image.dtype) == ((240, 320, 3), np.uint8)
    # the sender report is believed: sender and reader share a clock here
    assert frames[-1].clock == "rtcp"
    assert abs(time.time_ns() - frames[-1].captured_at_ns) < 2_000_000_000
    assert max(frame.lag_ms for frame in frames[10:]) < 500


def test_opening_tells_codec_and_transport(server: RtspServer) -> None:
    source = NetworkSource(server.url, SourceOptions())
    info = source.open()
    source.close()
    source.close()
    assert (info.width, info.height, info.codec, info.transport) == (320, 240, "h264", "tcp")


@pytest.mark.parametrize("credentials", [f"admin:{PASSWORD}", "admin:p%40s%3As%2Fw%23o%25rd"])
def test_a_password_raw_or_encoded(credentials: str) -> None:
    with RtspServer(user="admin", password=PASSWORD) as server:
        assert len(read(server.url_with(credentials), 2)) == 2


def test_a_wrong_password_is_said_and_masked() -> None:
    with RtspServer(user="admin", password="right") as server:
        error = refusal(server.url_with(f"admin:{PASSWORD}"))
    assert error.reason is Reason.AUTH
    assert "admin:***@127.0.0.1" in str(error)
    assert "refuses the user name or password" in str(error)


def test_a_wrong_path(server: RtspServer) -> None:
    error = refusal(server.url.replace("/stream", "/nothing"))
    assert error.reason is Reason.NOT_FOUND


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert refusal(f"rtsp://127.0.0.1:{port}/x").reason is Reason.REFUSED
    assert refusal(f"http://127.0.0.1:{port}/x").reason is Reason.REFUSED


def test_an_unknown_host() -> None:
    error = refusal(f"rtsp://admin:{PASSWORD}@camera.invalid/x")
    assert (error.reason, "camera.invalid/x: no host of this name" in str(error)) == (
        Reason.NOT_FOUND,
        True,
    )


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_server_that_never_answers(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/x"
        error = refusal(url, open_timeout_s=0.5)
    assert error.reason is Reason.TIMEOUT


@pytest.mark.parametrize(
    ("codec", "media", "words"),
    [("FOO/90000", "video", "can't be decoded"), ("PCMU/8000", "audio", "has no video")],
)
def test_what_is_no_video_we_know(codec: str, media: str, words: str) -> None:
    with RtspServer(codec=codec, media=media) as server:
        error = refusal(server.url, open_timeout_s=3.0)
    assert (error.reason, words in str(error)) == (Reason.CODEC, True)


def test_a_transport_that_the_camera_refuses() -> None:
    with RtspServer(transports=("udp",)) as server:
        error = refusal(server.url)
    assert "rtsp://127.0.0.1" in str(error)
    assert "transport" in str(error)


def test_a_killed_server_just_ends(server: RtspServer) -> None:
    frames = read(server.url, 10_000, lambda n: server.stop() if n == 10 else None)
    assert 10 <= len(frames) < 40


def test_a_server_that_stalls(server: RtspServer) -> None:
    began_s = 0.0

    def stall(n: int) -> None:
        nonlocal began_s
        if n == 10:
            began_s = time.monotonic()
            server.stall()

    with pytest.raises(SourceError, match="has sent nothing for 1 s") as stalled:
        read(server.url, 10_000, stall, stall_s=1.0)
    assert stalled.value.reason is Reason.STALL
    assert 0.8 < time.monotonic() - began_s < 4.0


def test_a_jump_of_the_senders_clock_shows_in_the_times_alone(server: RtspServer) -> None:
    frames = read(server.url, 40, lambda n: server.jump(100.0) if n == 15 else None)
    steps = np.diff([frame.pts_ns for frame in frames])
    (where,) = np.nonzero(steps != STEP_NS)
    assert len(where) == 1
    assert steps[where[0]] == STEP_NS + 100 * 1_000_000_000
    assert abs(time.time_ns() - frames[-1].captured_at_ns) < 3_000_000_000
    assert frames[-1].lag_ms < 500


def test_another_size_in_the_running_stream(server: RtspServer) -> None:
    frames = read(server.url, 60, lambda n: server.change_size((192, 144)) if n == 15 else None)
    assert {(frame.width, frame.height) for frame in frames[-5:]} == {(192, 144)}
    assert frames[-1].image().shape == (144, 192, 3)


def test_garbage_is_counted_and_survived(server: RtspServer) -> None:
    frames = read(server.url, 90, lambda n: server.garbage(10) if n == 10 else None)
    assert len(frames) == 90
    assert set(frames[-1].lost) <= {"corrupt"}


def test_a_burst_at_the_start_is_kept_whole() -> None:
    with RtspServer(burst=50, fps=5.0) as server:
        began_s = time.monotonic()
        frames = read(server.url, 50)
        assert time.monotonic() - began_s < 8  # 50 frames are 10 s of pictures
    assert set(np.diff([frame.pts_ns for frame in frames])) == {5 * STEP_NS}


@pytest.mark.integration
def test_a_reader_that_is_far_too_slow_says_so_and_catches_up() -> None:
    with RtspServer(size=(160, 120)) as server:

        def dawdle(n: int) -> None:
            if n == 20:
                time.sleep(3.0)  # the stream goes on meanwhile

        frames = read(server.url, 70, dawdle)
    assert max(frame.lag_ms for frame in frames[20:30]) > 2000
    assert frames[-1].lag_ms < 500
    late = sum(frame.lost.get("late", 0) for frame in frames)
    assert late > 5  # skipped to a key frame instead of decoding it all


# --- HTTP ---------------------------------------------------------------------------------------


@contextmanager
def http_server(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """Serves every GET by `answer`; yields the URL without a path."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            with contextlib.suppress(OSError):  # the client has gone
                answer(self)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.mark.parametrize(
    ("code", "reason"),
    [(401, Reason.AUTH), (403, Reason.AUTH), (404, Reason.NOT_FOUND), (503, Reason.REFUSED)],
)
def test_http_answers(code: int, reason: Reason) -> None:
    with http_server(lambda request: request.send_error(code)) as url:
        assert refusal(url + "/mjpeg").reason is reason


def test_a_web_page_is_no_video() -> None:
    def page(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "text/html")
        request.end_headers()
        request.wfile.write(b"<html>hello</html>" * 50)

    with http_server(page) as url:
        error = refusal(url)
    assert (error.reason, "not with video" in str(error)) == (Reason.CODEC, True)


def test_tls_where_there_is_none() -> None:
    with http_server(lambda request: request.send_error(404)) as url:
        error = refusal(url.replace("http://", "https://"))
    assert error.reason is Reason.TLS


def jpeg(tick: int) -> bytes:
    context = av.CodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt = 128, 96, "yuvj420p"
    context.framerate = 25
    frame = av.VideoFrame.from_ndarray(picture(tick), format="rgb24").reformat(format="yuvj420p")
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*context.encode(frame), *context.encode(None)))


def test_mjpeg_is_timed_by_arrival() -> None:
    def stream(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        for tick in range(200):
            body = jpeg(tick)
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
            request.wfile.write(head.encode() + body + b"\r\n")
            time.sleep(0.1)

    with http_server(stream) as url:
        frames = read(url + "/mjpeg", 12)
    steps_s = np.diff([frame.pts_ns for frame in frames])[-6:] / 1e9
    assert 0.08 < steps_s.mean() < 0.2  # 10 fps, whatever FFmpeg assumes
    assert {(frame.width, frame.height) for frame in frames} == {(128, 96)}


@pytest.mark.integration
def test_hls_is_played_at_its_own_pace(tmp_path: Path) -> None:
    playlist = tmp_path / "live.m3u8"
    with av.open(
        str(playlist), "w", format="hls", options={"hls_time": "1", "hls_list_size": "0"}
    ) as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "25"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for tick in range(100):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(tick), format="rgb24")))
        container.mux(stream.encode(None))

    def serve(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write((tmp_path / request.path.strip("/")).read_bytes())

    with http_server(serve) as url:
        began_s = time.monotonic()
        frames = read(url + "/live.m3u8", 40)
        took_s = time.monotonic() - began_s
    assert set(np.diff([frame.pts_ns for frame in frames])) == {STEP_NS}
    assert took_s > 39 * 0.04
    assert {frame.lag_ms for frame in frames} == {0.0}


def hls_offer(folder: Path, *, shows_from: int) -> None:
    """Four seconds of segments in a playlist without an end: as a camera's that has just died."""
    options = {"hls_time": "1", "hls_list_size": "0", "hls_flags": "omit_endlist"}
    with av.open(str(folder / "live.m3u8"), "w", format="hls", options=options) as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "25", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for tick in range(100):
            image = picture(shows_from + tick)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


@pytest.mark.integration
def test_hls_segments_that_were_played_are_not_played_again(tmp_path: Path) -> None:
    def serve(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write((tmp_path / request.path.strip("/")).read_bytes())

    def connection(url: str) -> list[int]:
        """The times of all frames of one, until nothing more comes."""
        options = SourceOptions(stall_s=0.7, wait=lambda seconds: None, history=history)
        times: list[int] = []
        with contextlib.closing(NetworkSource(url + "/live.m3u8", options)) as source:
            source.open()
            try:
                for frame in source.frames():
                    times.append(frame.pts_ns)  # noqa: PERF401  what came before the error counts
            except SourceError as error:
                ends.append(error.reason)
        return times

    ends: list[Reason] = []
    history = History()
    hls_offer(tmp_path, shows_from=0)
    with http_server(serve) as url:
        first = connection(url)
        assert 70 < len(first) <= 75  # the last three segments, but for what the decoder held back
        assert connection(url) == []
        hls_offer(tmp_path, shows_from=500)  # it has come back, at the very same times
        assert connection(url) == first
    assert ends == [Reason.STALL] * 3
