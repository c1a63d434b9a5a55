"""CURVE on a daemon's sockets: encryption, and an allow-list that is asked at each connection."""

from __future__ import annotations

import logging

import zmq
from zmq.auth.thread import ThreadAuthenticator

from stream.messaging.keys import KeyFolder

DOMAIN = "gesta"
_TOLD_AT_MOST = 100  # refusals in the log: whoever makes up keys doesn't fill it

_log = logging.getLogger(__name__)


class Guard:
    """Lets only known clients connect to the sockets of a context.

    Raises:
        ConfigError: the keys can't be read or made.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], keys: KeyFolder) -> None:
        self._keys = keys
        self._public, self._secret = keys.server()
        self._told: set[bytes] = set()
        self._authenticator = ThreadAuthenticator(context, log=logging.getLogger("zmq.auth"))
        self._authenticator.start()
        self._authenticator.configure_curve_callback(DOMAIN, self)

    def protect(self, socket: zmq.Socket[bytes]) -> None:
        """Before it binds."""
        socket.curve_server = True
        socket.curve_publickey, socket.curve_secretkey = self._public, self._secret
        socket.zap_domain = DOMAIN.encode()

    def callback(self, domain: str, key: bytes) -> bool:  # noqa: ARG002  as pyzmq calls it
        """Whether a client with this public key is let in."""
        allowed = self._keys.allows(key)
        if not allowed and key not in self._told and len(self._told) < _TOLD_AT_MOST:
            self._told.add(key)
            _log.warning("a client with an unknown key was refused (%s...)", key[:8].decode())
        return allowed

    def close(self) -> None:
        """Before the context ends."""
        self._authenticator.stop()
