"""What systemd hears, on a real datagram socket."""

import os
import socket

import pytest

from stream.systemd import Systemd


class Manager:
    """Systemd's end of it."""

    def __init__(self, name: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(name)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        texts = []
        try:
            while True:
                texts.append(self.socket.recv(4096).decode())
        except BlockingIOError:
            return texts


@pytest.fixture(params=["a file", "the abstract namespace"])
def manager(request, tmp_path):
    path = str(tmp_path / "notify")
    abstract = f"gesta-test-{os.getpid()}"
    made = Manager(path if request.param == "a file" else f"\0{abstract}")
    made.name = path if request.param == "a file" else f"@{abstract}"
    yield made
    made.socket.close()


def test_ready_status_and_stopping_are_told(manager) -> None:
    systemd = Systemd({"NOTIFY_SOCKET": manager.name})
    systemd.says("opening the engine")
    systemd.ready()
    systemd.says("1 of 2 cameras live")
    systemd.says("1 of 2 cameras live")  # nothing new
    systemd.says("two\nlines")
    systemd.stopping()
    assert manager.heard() == [
        "STATUS=opening the engine",
        "READY=1",
        "STATUS=1 of 2 cameras live",
        "STATUS=two lines",
        "STOPPING=1",
    ]


def test_the_watchdog_is_fed_twice_in_its_time(manager) -> None:
    now_ns = [0]
    watchdog = {"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": str(os.getpid())}
    systemd = Systemd({"NOTIFY_SOCKET": manager.name, **watchdog}, clock_ns=lambda: now_ns[0])
    for now_ns[0] in range(0, 6_000_000_001, 100_000_000):
        systemd.turned()
    assert manager.heard() == ["WATCHDOG=1"] * 4  # at 0, 2, 4 and 6 s


@pytest.mark.parametrize(
    "watchdog",
    [
        {},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"},
    ],
)
def test_no_watchdog_is_fed_that_was_not_asked_for(manager, watchdog) -> None:
    systemd = Systemd({"NOTIFY_SOCKET": manager.name, **watchdog})
    for _ in range(3):
        systemd.turned()
    assert manager.heard() == []


@pytest.mark.parametrize("given", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:9999"}])
def test_without_systemd_nothing_is_said(given, caplog) -> None:
    systemd = Systemd({**given, "WATCHDOG_USEC": "1"})
    systemd.says("well")
    systemd.ready()
    systemd.turned()
    systemd.stopping()
    assert caplog.records == []


def test_a_systemd_that_is_gone_or_does_not_read_is_no_reason_to_stop(tmp_path, caplog) -> None:
    Systemd({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()
    assert "systemd could not be told READY=1 (No such file" in caplog.text
    deaf = Manager(str(tmp_path / "deaf"))
    systemd = Systemd({"NOTIFY_SOCKET": str(tmp_path / "deaf")})
    for number in range(600):  # more than the socket holds
        systemd.says(f"status {number}")
        if "could not be told STATUS=status" in caplog.text:
            break
    assert "could not be told STATUS=status" in caplog.text
    deaf.socket.close()
