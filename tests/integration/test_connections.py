"""Nothing is sent anywhere but to the endpoints that were configured.

Watched from outside, as the sockets that the system shows of the process and its children, and
from inside, by Python's audit events, which see also what lasts too short to be seen: look-ups of
host names, connections, children.
"""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import psutil
import pytest

from tests.integration.processes import Daemon, Process, environment
from tests.rtsp_server import RtspServer

# Loaded by the interpreter before anything else.
SPY = """
import atexit, json, os, sys
file = open(os.path.join(os.environ["SPY_FOLDER"], str(os.getpid())), "a", buffering=1)
watched = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto",
           "socket.sendmsg", "urllib.Request", "subprocess.Popen", "os.fork", "os.posix_spawn")
def look(event, arguments):
    if event in watched:
        told = [str(each) for each in arguments if not hasattr(each, "fileno")]
        file.write(json.dumps([event, told]) + "\\n")
sys.addaudithook(look)
atexit.register(lambda: file.write(json.dumps(["modules", sorted(sys.modules)]) + "\\n"))
"""
TRAINING_ONLY = {"torch", "torchvision", "onnx", "training"}


@dataclass
class Spy:
    """What a process did, as told from inside."""

    folder: Path

    def environment(self) -> dict[str, str]:
        (self.folder / "sitecustomize.py").write_text(SPY)
        (self.folder / "events").mkdir()
        path = os.pathsep.join([str(self.folder), *filter(None, [os.environ.get("PYTHONPATH")])])
        return {**environment(), "PYTHONPATH": path, "SPY_FOLDER": str(self.folder / "events")}

    def events(self) -> list[tuple[str, list[str]]]:
        texts = [file.read_text() for file in (self.folder / "events").iterdir()]
        assert texts, "the spy was not loaded"
        lines = [json.loads(line) for text in texts for line in text.splitlines()]
        return [(event, arguments) for event, arguments in lines]

    def modules(self) -> set[str]:
        (modules,) = [set(arguments) for event, arguments in self.events() if event == "modules"]
        return modules


@pytest.fixture
def spy(tmp_path: Path) -> Spy:
    return Spy(tmp_path)


@dataclass
class Sockets:
    """Every internet socket that a process and its children show while this context lasts."""

    process: Process
    seen: set[tuple[str, str]] = field(default_factory=set)  # kind and address:port
    children: set[str] = field(default_factory=set)

    def __enter__(self) -> Sockets:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join(10)

    def _watch(self) -> None:
        watched = psutil.Process(self.process.pid)
        while not self._over.wait(0.01):
            try:
                family = [watched, *watched.children(recursive=True)]
                self.children |= {child.name() for child in family[1:]}
                for process in family:
                    self._note(process)
            except psutil.Error:
                continue

    def _note(self, process: psutil.Process) -> None:
        for each in process.net_connections(kind="inet"):
            kind = "tcp" if each.type == 1 else "udp"
            for place in (each.raddr, each.laddr if each.status == psutil.CONN_LISTEN else ()):
                if place:
                    self.seen.add((kind, f"{place.ip}:{place.port}"))
            if kind == "udp" and not each.raddr:
                self.seen.add((kind, f"{each.laddr.ip}:{each.laddr.port}"))


@pytest.mark.parametrize("processes", [0, 1])
def test_daemon(light_bundle: Path, spy: Spy, tmp_path: Path, processes: int) -> None:
    config = tmp_path / "gesta.toml"
    config.write_text(f"capture_processes = {processes}\n")
    arguments = ("--config", config, "--bundle", light_bundle)
    with (
        RtspServer() as server,
        Daemon(server.url, *arguments, env=spy.environment()) as daemon,
        Sockets(daemon) as sockets,
    ):
        daemon.predictions(10, timeout_s=60)
        assert daemon.stop() == 0
    camera = ("tcp", f"127.0.0.1:{server.port}")
    publisher = ("tcp", daemon.endpoint.removeprefix("tcp://"))
    subscriber_here = {
        each for each in sockets.seen - {camera, publisher} if each[1].startswith("127.0.0.1:")
    }
    assert {camera, publisher} <= sockets.seen
    # The far end of the publisher's connection is the port of this test's subscriber.
    assert sockets.seen - {camera, publisher} == subscriber_here
    assert len(subscriber_here) <= 3
    assert len(sockets.children) == processes
    assert_quiet(spy, processes=processes)


def test_replay(light_bundle: Path, clip: Path, spy: Spy) -> None:
    arguments = ("replay", clip, "--bundle", light_bundle, "--precision", "fp32")
    with Process(*arguments, env=spy.environment()) as process, Sockets(process) as sockets:
        assert process.wait(60) == 0
    assert sockets.seen == set()
    assert not sockets.children
    assert_quiet(spy)


def test_check(light_bundle: Path, spy: Spy) -> None:
    arguments = ("check", "--bundle", light_bundle)
    with Process(*arguments, env=spy.environment()) as process, Sockets(process) as sockets:
        assert process.wait(90) == 0
    assert sockets.seen == set()
    assert_quiet(spy)


def test_edge_box_needs_no_torch(light_bundle: Path, clip: Path, spy: Spy) -> None:
    """Neither torch nor anything of training is loaded, though both are installed here."""
    arguments = ("run", clip, "--bundle", light_bundle, "--publish", "tcp://127.0.0.1:*")
    with Process(*arguments, env=spy.environment()) as process:
        assert process.wait(60) == 0
    top_level = {name.partition(".")[0] for name in spy.modules()}
    assert not top_level & TRAINING_ONLY
    assert {"av", "openvino", "zmq"} <= top_level


def assert_quiet(spy: Spy, processes: int = 0) -> None:
    """No host name was looked up, and nothing was sent by Python code, but to processes of ours."""
    started = 0
    for event, arguments in spy.events():
        if processes and event == "subprocess.Popen":
            assert "stream.processes.child" in arguments[1]
            started += 1
        elif not (processes and event == "socket.sendmsg" and arguments == ["None"]):
            assert event == "modules", f"{event}{arguments}"
    assert started == processes
