"""A socket of the daemon that others connect to: bound, bounded, and guarded where keys say so."""

from __future__ import annotations

import threading

import zmq

from stream.errors import ConfigError, PublishError
from stream.messaging.curve import Guard
from stream.messaging.endpoint import check_binding, why_not_bound
from stream.messaging.keys import KeyFolder


class BoundSocket:
    """Binds on construction. Only the thread that constructed it may use it.

    Args:
        kind: of ZeroMQ, as `zmq.XPUB`.
        keys: of those who may connect; then all is encrypted. None lets anyone.
        high_water_mark: messages held for one peer that reads too slowly; more are lost to it.
        longest_bytes: of what a peer may send; one that sends more is disconnected.

    Raises:
        ConfigError: the keys can't be had.
        PublishError: the endpoint is in use, not allowed, not to be had, or open to others.
    """

    def __init__(
        self,
        kind: int,
        endpoint: str,
        *,
        insecure: bool,
        keys: KeyFolder | None,
        high_water_mark: int,
        longest_bytes: int,
    ) -> None:
        check_binding(endpoint, insecure=insecure, guarded=keys is not None)
        self._owner = threading.get_ident()
        self._context = zmq.Context()
        self._socket = self._context.socket(kind)
        self._socket.setsockopt(zmq.SNDHWM, high_water_mark)
        self._socket.setsockopt(zmq.MAXMSGSIZE, longest_bytes)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
        self._socket.setsockopt(zmq.IPV6, int("[" in endpoint))
        if kind == zmq.XPUB:
            self._socket.setsockopt(zmq.XPUB_VERBOSE, 1)  # every subscription, not only the first
        self._guard: Guard | None = None
        try:
            if keys is not None:
                self._guard = Guard(self._context, keys)
                self._guard.protect(self._socket)
            self._socket.bind(endpoint)
        except ConfigError:
            self.close()
            raise
        except zmq.ZMQError as error:
            self.close()
            raise PublishError(why_not_bound(endpoint, error.errno, str(error))) from error
        self.endpoint: str = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    @property
    def zmq(self) -> zmq.Socket[bytes]:
        """ZeroMQ's own.

        Raises:
            RuntimeError: another thread asks.
        """
        if threading.get_ident() != self._owner:
            raise RuntimeError("the socket belongs to the thread that made it")
        return self._socket

    def close(self, *, linger_ms: int = 0) -> None:
        """Gives what was sent so long to leave. May be called again."""
        self._socket.close(linger=linger_ms)
        if self._guard is not None:
            self._guard.close()
            self._guard = None
        self._context.term()
