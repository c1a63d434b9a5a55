"""The line to a daemon: a SUB socket, and what libzmq tells of how its connection fares."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable
from enum import Enum, auto

import zmq

from stream.errors import ConfigError
from stream.messaging.keys import ClientKey

REDIAL_EVERY_NS = 2_000_000_000


class Fate(Enum):
    """What has become of a connection."""

    UNANSWERED = auto()
    OPEN = auto()
    BROKEN = auto()  # whoever answers hangs up
    UNLIKE = auto()  # one side asks for a key, and the other doesn't
    REFUSED = auto()


_FATES = {
    zmq.Event.CLOSED: Fate.UNANSWERED,
    zmq.Event.HANDSHAKE_SUCCEEDED: Fate.OPEN,
    zmq.Event.HANDSHAKE_FAILED_NO_DETAIL: Fate.BROKEN,
    zmq.Event.HANDSHAKE_FAILED_PROTOCOL: Fate.BROKEN,
    zmq.Event.HANDSHAKE_FAILED_AUTH: Fate.REFUSED,
}
# What libzmq doesn't try again by itself.
_GIVEN_UP = zmq.Event.HANDSHAKE_FAILED_PROTOCOL | zmq.Event.HANDSHAKE_FAILED_AUTH
_EVENTS = sum(_FATES)

_WITHOUT_KEY = {
    Fate.UNANSWERED: "nobody answers there; no daemon publishes yet, or it can't be reached",
    Fate.OPEN: "the connection stands, but no heartbeat comes; check the site in --topic, if given",
    Fate.BROKEN: "whoever is there hangs up; it asks for a key (say --key FILE), or is no daemon",
    Fate.UNLIKE: "the daemon there asks for a key; say --key FILE (gesta keys new makes one)",
    Fate.REFUSED: "whoever is there lets nobody in without a key; say --key FILE",
}
_WITH_KEY = {
    **_WITHOUT_KEY,
    Fate.BROKEN: "whoever is there hangs up; it is not the daemon of this key, or none",
    Fate.UNLIKE: "the daemon there has no keys; leave --key out",
    Fate.REFUSED: "the daemon there doesn't know this key; make another with gesta keys new",
}


class Line:
    """Dials a daemon until it answers, and again whenever the connection breaks. For one thread.

    topics: prefixes of those to subscribe to.

    Raises:
        ConfigError: the endpoint is none.
    """

    def __init__(
        self, endpoint: str, topics: Iterable[str], *, key: ClientKey | None, high_water_mark: int
    ) -> None:
        self._endpoint, self._topics, self._key = endpoint, sorted(topics), key
        self._high_water_mark = high_water_mark
        self._fate = Fate.UNANSWERED
        self._given_up = False
        self._context = zmq.Context()
        self._dial()

    @property
    def trouble(self) -> str:
        """Why nothing may be heard, and what to do, as far as that can be told."""
        return (_WITHOUT_KEY if self._key is None else _WITH_KEY)[self._fate]

    def receive(self, timeout_ms: int) -> list[bytes] | None:
        """The parts of the next message, or None at the timeout."""
        if self._socket.poll(timeout_ms):
            return self._socket.recv_multipart(zmq.NOBLOCK)
        while self._monitor.poll(0):
            self._take_note(*struct.unpack("=Hi", self._monitor.recv_multipart(zmq.NOBLOCK)[0]))
        if self._given_up and time.monotonic_ns() - self._dialled_ns >= REDIAL_EVERY_NS:
            self._hang_up()
            self._dial()
        return None

    def close(self) -> None:
        """Hangs up for good."""
        self._hang_up()
        self._context.term()

    def _dial(self) -> None:
        self._given_up, self._dialled_ns = False, time.monotonic_ns()
        self._socket = self._context.socket(zmq.SUB)
        self._monitor = self._socket.get_monitor_socket(_EVENTS)
        self._socket.setsockopt(zmq.RCVHWM, self._high_water_mark)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.IPV6, int("[" in self._endpoint))
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)  # ms; starts at 100
        # A peer that vanished without a word (power, cable) is noticed and dialled again.
        self._socket.setsockopt(zmq.HEARTBEAT_IVL, 5000)  # ms
        self._socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 15000)  # ms
        for topic in self._topics:
            self._socket.setsockopt(zmq.SUBSCRIBE, topic.encode())
        if self._key is not None:
            self._socket.curve_serverkey = self._key.server.encode()
            self._socket.curve_publickey = self._key.public.encode()
            self._socket.curve_secretkey = self._key.secret.encode()
        try:
            self._socket.connect(self._endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise ConfigError(
                f"{self._endpoint!r} is no endpoint to read from; give one such as "
                "tcp://127.0.0.1:5599"
            ) from error

    def _hang_up(self) -> None:
        self._socket.disable_monitor()
        self._monitor.close(linger=0)
        self._socket.close(linger=0)

    def _take_note(self, event: int, value: int) -> None:
        self._given_up |= bool(event & _GIVEN_UP)
        fate = _FATES[zmq.Event(event)]
        if value == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
            fate = Fate.UNLIKE
        # A daemon that we are unlike may hang up before it has said how.
        if fate is not Fate.BROKEN or self._fate in (Fate.UNANSWERED, Fate.OPEN):
            self._fate = fate
