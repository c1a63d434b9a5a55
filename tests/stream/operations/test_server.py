"""The server on a real socket, with clients of every kind."""

import http.client
import socket
import threading
import time
from http import HTTPStatus

import pytest

from stream.errors import PublishError
from stream.operations import server as server_module
from stream.operations.address import Address
from stream.operations.pages import Answer
from stream.operations.server import LONGEST_HEAD_BYTES, MOST_CONNECTIONS, serving

SOON_S = 10
ANYWHERE = Address.parse("127.0.0.1:0")


def echo(path, authorization):
    if path == "/break":
        raise RuntimeError("a bug")
    return Answer(HTTPStatus.OK, f"{path} {authorization}\n".encode(), headers=(("X-More", "1"),))


@pytest.fixture
def port():
    with serving(ANYWHERE, echo) as address:
        yield address.port


def ask(port, method="GET", path="/x", headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SOON_S)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer, answer.read().decode()
    finally:
        connection.close()


def say(port, words):
    """Sends raw bytes; all that comes back until the server closes."""
    heard = b""
    with socket.create_connection(("127.0.0.1", port), timeout=SOON_S) as client:
        try:
            client.sendall(words)
            client.shutdown(socket.SHUT_WR)
            while more := client.recv(65536):
                heard += more
        except TimeoutError:
            raise
        except OSError:  # it did not want to hear all of it
            pass
    return heard.decode()


def test_a_get_is_answered_and_the_connection_closed(port):
    answer, text = ask(port, headers={"Authorization": "Bearer x"})
    assert (answer.status, text) == (200, "/x Bearer x\n")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Connection"] == "close"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Server"] == "gesta"
    assert answer.headers["X-More"] == "1"


def test_a_head_is_answered_without_a_body(port):
    answer, text = ask(port, "HEAD")
    assert (answer.status, text) == (200, "")
    assert answer.headers["Content-Length"] == str(len("/x None\n"))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_nothing_else_is_allowed(port, method):
    answer, _ = ask(port, method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (b"GARBAGE\r\n\r\n", "400"),
        (b"GET /x HTTP/9.9\r\n\r\n", "505"),
        (b"GET /x HTTP/1.1 or so\r\n\r\n", "400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n", "400"),  # TLS says hello
        (b"GET /x HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", "431"),
        (b"GET /" + b"x" * LONGEST_HEAD_BYTES + b" HTTP/1.1\r\n\r\n", "431"),
        (b"x" * 1_000_000, "431"),
    ],
)
def test_garbage_gets_a_status_and_is_not_repeated(port, words, status):
    heard = say(port, words)
    assert heard.startswith(f"HTTP/1.1 {status} ") or heard == ""  # cut off in the middle of it
    assert "GARBAGE" not in heard
    assert ask(port)[0].status == 200


def test_a_client_that_says_nothing_and_leaves_is_let_go(port):
    assert say(port, b"") == ""
    assert say(port, b"\r\n\r\n") == ""
    assert ask(port)[0].status == 200


def test_a_head_that_drips_in_is_cut_off_by_the_deadline(port, monkeypatch):
    monkeypatch.setattr(server_module, "PATIENCE_S", 0.5)
    started_s = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=SOON_S) as client:
        client.sendall(b"GET /x HTTP/1.1\r\n")
        heard, dripping = b"", True
        while dripping and time.monotonic() - started_s < SOON_S:
            time.sleep(0.05)
            try:
                client.sendall(b"A")
                client.setblocking(False)
                heard += client.recv(1000)
                dripping = False
            except BlockingIOError:
                client.settimeout(SOON_S)
            except OSError:
                dripping = False
    assert time.monotonic() - started_s < SOON_S / 2
    assert heard == b"" or heard.startswith(b"HTTP/1.1 408 ")


def test_more_connections_than_are_allowed_are_closed_and_room_comes_back(port, monkeypatch):
    monkeypatch.setattr(server_module, "PATIENCE_S", 2.0)
    threads = threading.active_count()
    slow = [
        socket.create_connection(("127.0.0.1", port), timeout=SOON_S)
        for _ in range(MOST_CONNECTIONS)
    ]
    try:
        while threading.active_count() < threads + MOST_CONNECTIONS:
            time.sleep(0.01)
        assert say(port, b"GET /x HTTP/1.1\r\n\r\n") == ""
        assert threading.active_count() == threads + MOST_CONNECTIONS
    finally:
        for each in slow:
            each.close()
    deadline_s = time.monotonic() + SOON_S
    while say(port, b"GET /x HTTP/1.1\r\n\r\n") == "":
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_a_bug_in_an_answer_costs_that_connection_alone(port, capsys):
    assert say(port, b"GET /break HTTP/1.1\r\n\r\n") == ""
    assert ask(port)[0].status == 200
    assert capsys.readouterr().err == ""


def test_requests_are_no_news(port, caplog):
    caplog.set_level("INFO")
    ask(port)
    say(port, b"GARBAGE\r\n\r\n")
    assert [r for r in caplog.records if "served on" not in r.getMessage()] == []


def test_a_request_can_not_forge_a_line_of_the_log(port, caplog):
    caplog.set_level("DEBUG")
    say(port, b"GET /\x1b[31m\r2026 ERROR HTTP/1.1\r\n\r\n")
    assert all("\r" not in r.getMessage() and "\x1b" not in r.getMessage() for r in caplog.records)


def test_it_stops_at_once_and_the_port_is_free_again():
    with serving(ANYWHERE, echo) as address:
        client = socket.create_connection(("127.0.0.1", address.port))
        started_s = time.monotonic()
    assert time.monotonic() - started_s < 2.0  # although somebody is connected
    client.close()
    with serving(address, echo):
        assert ask(address.port)[0].status == 200


def test_it_serves_over_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with (
        serving(Address.parse("[::1]:0"), echo) as address,
        socket.create_connection(("::1", address.port), timeout=SOON_S) as client,
    ):
        client.sendall(b"GET /x HTTP/1.1\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_an_address_that_can_not_be_had_gets_a_sentence():
    with serving(ANYWHERE, echo) as address:
        with pytest.raises(PublishError, match=r"127\.0\.0\.1:\d+ is in use; stop what") as caught:
            serving(address, echo).__enter__()
        assert caught.value.exit_code == 5
    with pytest.raises(PublishError, match="this machine has no address"):
        serving(Address.parse("192.0.2.1:9599"), echo).__enter__()


def test_a_port_that_is_not_permitted_gets_a_sentence(monkeypatch):
    def denied(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(server_module.Server, "server_bind", denied)
    with pytest.raises(PublishError, match=r"no permission to serve on 127\.0\.0\.1:80"):
        serving(Address.parse("127.0.0.1:80"), echo).__enter__()
