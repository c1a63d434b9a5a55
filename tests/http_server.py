"""Cameras over HTTP for tests, on loopback: MJPEG pictures, and HLS segments.

    with MjpegServer(size=(320, 240)) as server:
        open_camera(server.url)
        server.stall()

`stop()` and `start()` keep the port, as a camera does that loses its power.
"""

from __future__ import annotations

import base64
import contextlib
import http.server
import socket
import threading
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2

from tests.rtsp_server import Picture, moving_bars


class HttpServer:
    """Answers each GET below `path` by `answer`, others with 404.

    Args:
        user, password: if given, Basic authentication is asked for.
    """

    path = "/"

    def __init__(self, *, user: str | None = None, password: str | None = None) -> None:
        self.user, self.password = user, password
        self.port = 0
        self.requests: list[str] = []
        self._clients: set[socket.socket] = set()
        self._stopping = threading.Event()
        self._stalled = threading.Event()
        self._server: http.server.ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        """Writes the response."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """Without credentials."""
        return f"http://127.0.0.1:{self.port}{self.path}"

    def url_with(self, credentials: str) -> str:
        """With `user:password` as given, raw or encoded."""
        return f"http://{credentials}@127.0.0.1:{self.port}{self.path}"

    def start(self) -> HttpServer:
        """Listens; returns when clients can connect."""
        self._stopping.clear()
        self._stalled.clear()
        self._server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", self.port), _handler(self), bind_and_activate=True
        )
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Kills everything at once, as a power cut would; `start` brings it back."""
        self._stopping.set()
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.socket.close()
        for client in list(self._clients):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._server = None

    def stall(self) -> None:
        """Sends nothing new any more, and closes nothing."""
        self._stalled.set()

    def resume(self) -> None:
        """Sends again, at the present time: what fell into the stall is never sent."""
        self._stalled.clear()

    def __enter__(self) -> Any:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def is_welcome(self, request: http.server.BaseHTTPRequestHandler) -> bool:
        """Whether the client may see anything."""
        if self.user is None:
            return True
        expected = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return request.headers.get("Authorization", "") == f"Basic {expected}"


def _handler(server: HttpServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            server.requests.append(self.path)
            server._clients.add(self.connection)
            try:
                with contextlib.suppress(OSError):  # the client has gone
                    self._reply()
            finally:
                server._clients.discard(self.connection)

        def _reply(self) -> None:
            if not server.is_welcome(self):
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                self.end_headers()
            elif self.path.startswith(server.path.rpartition("/")[0] + "/"):
                server.answer(self)
            else:
                self.send_error(404)

    return Handler


class MjpegServer(HttpServer):
    """Endless `multipart/x-mixed-replace`, each part a JPEG.

    Args:
        size: width and height in pixels; may be changed while it runs.
        fps: pictures a second.
        lengths: whether each part says how long it is, which many cameras don't.
        boundary: between parts, as the header writes it; some cameras put the dashes there too.
    """

    path = "/video/mjpeg"

    def __init__(
        self,
        *,
        size: tuple[int, int] = (320, 240),
        fps: float = 25.0,
        lengths: bool = True,
        boundary: str = "frame",
        **credentials: str,
    ) -> None:
        super().__init__(**credentials)
        self.size, self.fps = size, fps
        self.lengths, self.boundary = lengths, boundary

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        """Sends pictures until the client goes, or the server is stopped."""
        if request.path != self.path:
            request.send_error(404)
            return
        request.send_response(200)
        request.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={self.boundary}")
        request.end_headers()
        began_s, tick = time.monotonic(), 0
        while not self._stopping.wait(max(0.0, began_s + tick / self.fps - time.monotonic())):
            if not self._stalled.is_set():
                request.wfile.write(self._part(_jpeg(moving_bars(tick, self.size))))
            tick += 1

    def _part(self, jpeg: bytes) -> bytes:
        lines = [f"--{self.boundary.removeprefix('--')}", "Content-Type: image/jpeg"]
        if self.lengths:
            lines.append(f"Content-Length: {len(jpeg)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + jpeg + b"\r\n"


class HlsServer(HttpServer):
    """H.264 in segments of a second, written into a folder as they come due, and served from it.

    Args:
        folder: an empty one.
        live: a playlist of the last segments that never ends; else one of them all, at once.
        segments: "mpegts" or "fmp4".
        frames: of a playlist that is not live.
    """

    path = "/live/stream.m3u8"
    fps = 25

    def __init__(
        self,
        folder: Path,
        *,
        live: bool = True,
        segments: str = "mpegts",
        frames: int = 100,
        size: tuple[int, int] = (320, 240),
        **credentials: str,
    ) -> None:
        super().__init__(**credentials)
        self.size = size
        self._folder, self._live, self._segments, self._frames = folder, live, segments, frames
        self._writer: threading.Thread | None = None
        self._shown = 0  # the camera's pictures go on where its timestamps begin anew

    def start(self) -> HttpServer:
        """Listens and begins to write; a live playlist is there after its first segment."""
        super().start()
        for old in self._folder.iterdir():
            old.unlink()
        if self._live:
            self._writer = threading.Thread(target=self._write, daemon=True)
            self._writer.start()
        else:
            self._write()
        return self

    def stop(self) -> None:
        """Kills the server and what writes for it."""
        super().stop()
        if self._writer is not None:
            self._writer.join(10)

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        """Sends a file of the folder."""
        try:
            content = (self._folder / request.path.rpartition("/")[2]).read_bytes()
        except OSError:
            request.send_error(404)
            return
        request.send_response(200)
        is_list = request.path.endswith(".m3u8")
        kind = "application/vnd.apple.mpegurl" if is_list else "video/mp2t"
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def _write(self) -> None:
        options = {"hls_time": "1", "hls_segment_type": self._segments}
        if self._live:
            options |= {"hls_list_size": "5", "hls_flags": "delete_segments+omit_endlist"}
        else:
            options |= {"hls_playlist_type": "vod"}
        with av.open(
            str(self._folder / "stream.m3u8"), "w", format="hls", options=options
        ) as container:
            track = container.add_stream(
                "libx264", rate=self.fps, options={"preset": "ultrafast", "tune": "zerolatency"}
            )
            track.width, track.height, track.pix_fmt = *self.size, "yuv420p"
            track.codec_context.gop_size = self.fps
            began_s, tick = time.monotonic(), 0
            while not self._stopping.is_set() and (self._live or tick < self._frames):
                if self._live:
                    wait_s = began_s + tick / self.fps - time.monotonic()
                    self._stopping.wait(max(0.0, wait_s))
                if not self._stalled.is_set():
                    picture = moving_bars(self._shown, self.size)
                    self._shown += 1
                    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                    frame.pts, frame.time_base = tick, Fraction(1, self.fps)
                    container.mux(track.encode(frame))
                tick += 1
            container.mux(track.encode(None))


def _jpeg(picture: Picture) -> bytes:
    done, encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    assert done
    return encoded.tobytes()
