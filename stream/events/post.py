"""One HTTP POST that comes to an end in time, whatever the receiver does."""

from __future__ import annotations

import errno
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import parse_url


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    within_s: float,
    trusted: ssl.SSLContext,
) -> int:
    """The status of the answer. What follows its headers isn't read: it may have no end.

    Each step of connecting (an address tried, the TLS handshake) may take `within_s`; once
    connected, all is over that long after the beginning.

    Raises:
        OSError, http.client.HTTPException, urllib3.exceptions.HTTPError: nobody is there, or
            answers as HTTP wants it, in time.
    """
    deadline_s = time.monotonic() + within_s
    with closing(_connection(url, within_s, trusted)) as connection:
        connection.connect()
        with _cut_off(connection.sock, deadline_s, f"no answer within {within_s:g} s"):
            target = parse_url(url).request_uri
            connection.request("POST", target, body=body, headers=headers, preload_content=False)
            with closing(connection.getresponse()) as answer:
                return answer.status


def _connection(url: str, timeout_s: float, trusted: ssl.SSLContext) -> HTTPConnection:
    where = parse_url(url)
    assert where.host is not None  # its configuration was checked
    if where.scheme == "https":
        return HTTPSConnection(where.host, where.port, timeout=timeout_s, ssl_context=trusted)
    return HTTPConnection(where.host, where.port, timeout=timeout_s)


@contextmanager
def _cut_off(connected: socket.socket, deadline_s: float, why: str) -> Iterator[None]:
    """Shuts the socket down at the deadline, and raises TimeoutError then.

    A timeout of the socket bounds each read alone: who drips byte after byte never meets it.
    """
    late = threading.Event()

    def cut() -> None:
        late.set()
        with suppress(OSError):  # closed meanwhile
            # Not SSLSocket's own, which takes TLS away from under the thread that reads.
            socket.socket.shutdown(connected, socket.SHUT_RDWR)

    timer = threading.Timer(deadline_s - time.monotonic(), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as error:
        if late.is_set():
            raise TimeoutError(errno.ETIMEDOUT, why) from error
        raise
    else:
        if late.is_set():  # headers that were cut off look whole
            raise TimeoutError(errno.ETIMEDOUT, why)
    finally:
        timer.cancel()
        timer.join()
