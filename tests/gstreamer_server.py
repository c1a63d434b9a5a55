"""GStreamer's RTSP server, so that the daemon meets a server that this project didn't write.

GStreamer's Python bindings belong to the system's own Python, so this file is two things: the
`GStreamerServer` that tests use, with the doings of `tests.rtsp_server.RtspServer`, and the script
that it runs there and commands by lines on standard input: `stall`, `resume`, `jump SECONDS`.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import threading

SYSTEM_PYTHON = "/usr/bin/python3"
INSTALL = "deploy/install_test_servers.sh"
READY_S = 20.0
# The valve stalls the stream, and nobody is told.
PIPELINE = (
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,width={width},height={height},"
    "framerate={fps}/1 ! openh264enc gop-size={fps} ! h264parse ! valve name=valve ! "
    "rtph264pay name=pay0 pt=96 config-interval=1 )"
)


def missing() -> str | None:
    """Why the server can't run here, or None where it can."""
    probe = (
        "import gi; gi.require_version('GstRtspServer', '1.0');"
        "from gi.repository import Gst, GstRtspServer; Gst.init(None);"
        "assert all(map(Gst.ElementFactory.find, ('openh264enc', 'h264parse', 'rtph264pay')))"
    )
    try:
        found = subprocess.run(
            [SYSTEM_PYTHON, "-c", probe], capture_output=True, check=False, timeout=READY_S
        )
    except FileNotFoundError:
        return f"there is no {SYSTEM_PYTHON}"
    if found.returncode:
        return f"GStreamer's RTSP server is not installed ({INSTALL} does it)"
    return None


class GStreamerServer:
    """Serves endless H.264 at `rtsp://127.0.0.1:port/stream`, in a process of its own.

    size: width and height in pixels. user, password: asked for by Digest, if given.
    """

    def __init__(
        self,
        *,
        size: tuple[int, int] = (320, 240),
        fps: int = 25,
        user: str | None = None,
        password: str | None = None,
    ) -> None:
        self.size = size
        self.fps = fps
        self.user, self.password = user, password
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Without credentials."""
        return f"rtsp://127.0.0.1:{self.port}/stream"

    def url_with(self, credentials: str) -> str:
        """With `user:password` as given, raw or encoded."""
        return f"rtsp://{credentials}@127.0.0.1:{self.port}/stream"

    def start(self) -> GStreamerServer:
        """Returns when clients can connect."""
        width, height = self.size
        arguments = ["--port", str(self.port), "--size", f"{width}x{height}"]
        arguments += ["--fps", str(self.fps)]
        if self.user is not None:
            arguments += ["--user", self.user, "--password", self.password or ""]
        self._process = subprocess.Popen(
            [SYSTEM_PYTHON, __file__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "GST_REGISTRY_FORK": "no"},
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line == "ready\n", f"GStreamer's server said {line!r} instead of ready"
        return self

    def stop(self) -> None:
        """Kills it at once, as a power cut would; `start` brings it back on the same port."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def stall(self) -> None:
        """Sends no picture any more, and closes nothing."""
        self._say("stall")

    def resume(self) -> None:
        """Sends again, at the present time."""
        self._say("resume")

    def jump(self, seconds: float) -> None:
        """Timestamps leap by so much (forward or back) from the next picture on."""
        self._say(f"jump {seconds}")

    def __enter__(self) -> GStreamerServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _say(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


def main() -> None:
    """The script: serves until it is killed, or until its standard input ends."""
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtsp, GstRtspServer

    parser = argparse.ArgumentParser()
    parser.add_argument("--port", required=True)
    parser.add_argument("--size", required=True)
    parser.add_argument("--fps", required=True)
    parser.add_argument("--user")
    parser.add_argument("--password")
    given = parser.parse_args()
    width, height = given.size.split("x")

    Gst.init(None)
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=given.port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(PIPELINE.format(width=width, height=height, fps=given.fps))
    factory.set_shared(True)
    valves: list = []
    jumped_ns = 0

    def shifted(pad, info):
        if jumped_ns:
            picture = info.get_buffer()
            picture.pts = max(0, picture.pts + jumped_ns)
        return Gst.PadProbeReturn.OK

    def configure(_factory, media):
        # Else the server would wait, by its clock, for pictures whose timestamps have jumped.
        media.set_rate_control(False)
        valve = media.get_element().get_by_name("valve")
        valve.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, shifted)
        valves[:] = [valve]

    factory.connect("media-configure", configure)
    if given.user is not None:
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(given.user, given.password, token)
        server.set_auth(auth)
        factory.add_role_from_structure(
            Gst.Structure.from_string(
                "viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
            )[0]
        )
    server.get_mount_points().add_factory("/stream", factory)
    loop = GLib.MainLoop()

    def obey() -> None:
        nonlocal jumped_ns
        for line in sys.stdin:
            what, *number = line.split()
            if what == "jump":
                jumped_ns += int(float(number[0]) * Gst.SECOND)
            else:
                for valve in valves:
                    valve.set_property("drop", what == "stall")
        loop.quit()

    assert server.attach(None), "the port is taken"
    threading.Thread(target=obey, daemon=True).start()
    print("ready", flush=True)
    loop.run()


if __name__ == "__main__":
    main()
