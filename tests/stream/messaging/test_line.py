"""What is said of a connection that brings nothing, and how it comes back, over real sockets."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

import stream.messaging.line
from stream.messaging.keys import ClientKey, KeyFolder, read_client_key
from stream.messaging.line import Line
from stream.messaging.publisher import Publisher
from tests.stream.messaging.samples_of_messages import envelope, meta

SOON_S = 10.0


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    return KeyFolder(tmp_path / "keys")


@pytest.fixture
def desk(keys: KeyFolder, tmp_path: Path) -> ClientKey:
    keys.new("desk", tmp_path / "desk.key")
    return read_client_key(tmp_path / "desk.key")


@pytest.fixture
def publisher(keys: KeyFolder) -> Iterator[Publisher]:
    publisher = Publisher("tcp://127.0.0.1:*", keys=keys)
    yield publisher
    publisher.close(orderly=False)


@pytest.fixture
def dialled() -> Iterator[Callable[..., Line]]:
    lines = []

    def dial(endpoint: str, key: ClientKey | None = None) -> Line:
        lines.append(Line(endpoint, ["gesta/1/"], key=key, high_water_mark=1000))
        return lines[-1]

    yield dial
    for line in lines:
        line.close()


def says(line: Line, word: str) -> None:
    """It says so soon, and goes on saying it."""
    deadline_s = time.monotonic() + SOON_S
    while word not in line.trouble and time.monotonic() < deadline_s:
        assert line.receive(20) is None
    for _ in range(20):
        assert word in line.trouble
        line.receive(20)


def hears(line: Line, publisher: Publisher) -> bool:
    publisher.send(meta(envelope()))
    deadline_s = time.monotonic() + SOON_S
    while time.monotonic() < deadline_s:
        publisher.serve()
        if line.receive(20) is not None:
            return True
    return False


def test_without_a_key_it_says_that_one_is_asked_for(
    publisher: Publisher, dialled: Callable[..., Line]
) -> None:
    line = dialled(publisher.endpoint)
    says(line, "asks for a key")
    assert "say --key FILE" in line.trouble


def test_a_key_that_is_not_known_is_said(
    publisher: Publisher, desk: ClientKey, dialled: Callable[..., Line]
) -> None:
    public, secret = (key.decode() for key in zmq.curve_keypair())
    stranger = ClientKey(server=desk.server, public=public, secret=secret)
    says(dialled(publisher.endpoint, stranger), "doesn't know this key")
    elsewhere = ClientKey(server=public, public=desk.public, secret=desk.secret)
    says(dialled(publisher.endpoint, elsewhere), "is not the daemon of this key")


def test_a_key_that_nobody_asks_for_is_said(desk: ClientKey, dialled: Callable[..., Line]) -> None:
    publisher = Publisher("tcp://127.0.0.1:*")
    line = dialled(publisher.endpoint, desk)
    says(line, "the daemon")
    assert line.trouble.endswith(("leave --key out", "not the daemon of this key, or none"))
    publisher.close(orderly=False)


def test_that_nobody_answers_is_said(dialled: Callable[..., Line]) -> None:
    says(dialled("tcp://127.0.0.1:9"), "nobody answers there; no daemon publishes yet")


def test_what_is_no_daemon_is_said(dialled: Callable[..., Line]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        line = dialled(f"tcp://127.0.0.1:{other.getsockname()[1]}")
        for _ in range(3):
            other.accept()[0].close()
        says(line, "hangs up; it asks for a key (say --key FILE), or is no daemon")


def test_a_connection_that_stands_is_not_blamed(
    publisher: Publisher, desk: ClientKey, dialled: Callable[..., Line]
) -> None:
    says(dialled(publisher.endpoint, desk), "the connection stands, but no heartbeat comes")


def test_whoever_is_let_in_later_hears(
    publisher: Publisher,
    keys: KeyFolder,
    desk: ClientKey,
    dialled: Callable[..., Line],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream.messaging.line, "REDIAL_EVERY_NS", 100_000_000)
    (keys.folder / "clients" / "desk.pub").rename(keys.folder / "desk.pub")
    line = dialled(publisher.endpoint, desk)
    says(line, "doesn't know this key")
    (keys.folder / "desk.pub").rename(keys.folder / "clients" / "desk.pub")
    assert hears(line, publisher)
