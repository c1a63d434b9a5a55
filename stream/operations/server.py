"""The HTTP server for operators: small, bounded, and in threads that the daemon never waits for.

The standard library's server and parser, with what they lack: a head of a few kilobytes at most,
that must be there within seconds (however slowly it drips in), one request a connection, and few
connections at a time.
"""

from __future__ import annotations

import errno
import io
import logging
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from stream.errors import PublishError
from stream.operations.address import Address
from stream.operations.pages import Answer

LONGEST_HEAD_BYTES = 8192
PATIENCE_S = 5.0  # for a request to be there, and for an answer to be taken
MOST_CONNECTIONS = 16
POLL_S = 0.1  # how soon a stop is noticed
FULL_PAUSE_S = 0.1  # before accepting is tried again where the process is out of files

_log = logging.getLogger(__name__)

AnswerTo = Callable[[str, str | None], Answer]  # of a path and the Authorization header


class Server(socketserver.ThreadingTCPServer):
    """Binds on construction.

    Raises:
        PublishError: the address is in use, not allowed, or not this machine's.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = MOST_CONNECTIONS

    def __init__(self, address: Address, answer_to: AnswerTo) -> None:
        self.address_family = socket.AF_INET6 if address.ip.version == 6 else socket.AF_INET
        self.answer_to = answer_to
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        try:
            super().__init__((str(address.ip), address.port), _Handler)
        except OSError as error:
            raise PublishError(_why_not_bound(address, error)) from error
        self.address = Address(address.ip, self.socket.getsockname()[1])

    def get_request(self) -> tuple[Any, Any]:
        """Accepts a connection; where that fails, the next try is not at once."""
        try:
            return super().get_request()
        except OSError:
            time.sleep(FULL_PAUSE_S)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Gives a connection its thread; one too many is closed without a word."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # there is no thread to be had
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """A connection's thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A connection that breaks is its client's trouble, and no news."""
        _log.debug("a connection of %s broke", client_address[0], exc_info=True)


@contextmanager
def serving(address: Address, answer_to: AnswerTo) -> Iterator[Address]:
    """Serves meanwhile; yields where.

    Raises:
        PublishError: the address can't be had.
    """
    with Server(address, answer_to) as server:
        thread = threading.Thread(
            target=server.serve_forever, args=(POLL_S,), name="http", daemon=True
        )
        thread.start()
        _log.info("metrics and health are served on http://%s", server.address)
        try:
            yield server.address
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    """One request, one answer."""

    server: Server
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        """Reads the head by the deadline, and only then lets it be parsed."""
        self.requestline = self.command = ""
        try:
            head = _read_head(self.connection)
        except TimeoutError:
            return self.send_error(HTTPStatus.REQUEST_TIMEOUT)
        finally:
            self.connection.settimeout(PATIENCE_S)
        if len(head) > LONGEST_HEAD_BYTES:
            return self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        self.rfile = io.BytesIO(head)
        self.raw_requestline = self.rfile.readline()
        if not self.raw_requestline.strip() or not self.parse_request():
            return None  # nothing was said, or that it is wrong has been answered
        if self.command not in ("GET", "HEAD"):
            return self._send(Answer(HTTPStatus.METHOD_NOT_ALLOWED, headers=(_ALLOW,)))
        return self._send(self.server.answer_to(self.path, self.headers.get("Authorization")))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """The status alone: what a client sent is not repeated to it."""
        self._send(Answer(HTTPStatus(code)))

    def version_string(self) -> str:
        """Which server this is; its version is nobody's business."""
        return "gesta"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the library's name
        """Requests are no news."""
        _log.debug("%s %r", self.client_address[0], format % args)

    def _send(self, answer: Answer) -> None:
        self.request_version = self.protocol_version  # garbage counts as 0.9, which has no status
        body = answer.body or f"{answer.status.phrase}\n".encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


_ALLOW = ("Allow", "GET, HEAD")


def _read_head(connection: socket.socket) -> bytes:
    """What comes up to the first empty line, or to the end; a byte more than allowed at most.

    Raises:
        TimeoutError: it was not there in time.
    """
    deadline_s = time.monotonic() + PATIENCE_S
    head = b""
    while b"\r\n\r\n" not in head and b"\n\n" not in head and len(head) <= LONGEST_HEAD_BYTES:
        connection.settimeout(max(0.001, deadline_s - time.monotonic()))
        if not (more := connection.recv(LONGEST_HEAD_BYTES + 1 - len(head))):
            break
        head += more
    return head


def _why_not_bound(address: Address, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"http.bind: {address} is in use; stop what holds it, or choose another port"
        case errno.EACCES | errno.EPERM:
            return f"http.bind: no permission to serve on {address}; choose a port above 1023"
        case errno.EADDRNOTAVAIL:
            return f"http.bind: this machine has no address {address.ip}; try 127.0.0.1"
        case _:
            return f"http.bind: can't serve on {address} ({error.strerror}); choose another"
