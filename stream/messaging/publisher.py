"""The publisher: the one socket on which everything leaves, owned by one thread.

A subscription is answered with the last word on each retained topic, and on each event that goes
on (`replay: true`), so a late subscriber knows the state at once. ZeroMQ offers no way to answer
one subscriber alone: the others on that topic get the repeated message too, and drop it by its
`seq`. However many subscriptions arrive, each message is repeated at most every `REPLAY_EVERY_NS`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

import msgspec
import zmq

from stream.errors import PublishError
from stream.messaging.bound_socket import BoundSocket
from stream.messaging.keys import KeyFolder
from stream.messaging.messages import EventChange, Message
from stream.messaging.topics import BY_KIND, topic

HIGH_WATER_MARK = 1000  # messages held for one slow subscriber; more are lost to it
LONGEST_SUBSCRIPTION_BYTES = 1024  # a peer that sends more is disconnected
FRAMES_PER_SERVING = 1000  # bounds the time that a flood of subscriptions can take
REPLAY_EVERY_NS = 100_000_000
ORDERLY_LINGER_MS = 500

_log = logging.getLogger(__name__)


class Publisher:
    """Binds on construction. Only the thread that constructed it may use it.

    A subscriber that reads too slowly loses messages (and sees it in `seq`); nothing here waits.

    keys: of those who may subscribe; then all is encrypted. None lets anyone.

    Raises:
        ConfigError: the keys can't be had.
        PublishError: the endpoint is in use, not allowed, not to be had, or open to others.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        insecure: bool = False,
        keys: KeyFolder | None = None,
        high_water_mark: int = HIGH_WATER_MARK,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._clock_ns = clock_ns
        self._encoder = msgspec.json.Encoder()
        # Of a topic, or of one event on it: its topic, then the event's id.
        self._retained: dict[str, tuple[str, Message, Sequence[bytes]]] = {}
        self._due: set[str] = set()  # of those, what a subscriber waits to have repeated
        self._repeated_at_ns: dict[str, int] = {}
        self._socket = BoundSocket(
            zmq.XPUB,
            endpoint,
            insecure=insecure,
            keys=keys,
            high_water_mark=high_water_mark,
            longest_bytes=LONGEST_SUBSCRIPTION_BYTES,
        )
        self.endpoint = self._socket.endpoint

    def send(self, message: Message, blobs: Sequence[bytes] = ()) -> None:
        """Publishes a message on its topic.

        Raises:
            PublishError: the socket is broken.
        """
        kind = str(message.__struct_config__.tag)
        name = topic(message.site, message.camera or message.node, kind)
        if BY_KIND[kind].retained != "no":
            key = f"{name}{message.event_id}" if isinstance(message, EventChange) else name
            self._retained[key] = (name, message, blobs)
            self._due.discard(key)  # whoever waits for a repetition has this one
            if isinstance(message, EventChange) and message.phase == "end":
                del self._retained[key]
                self._repeated_at_ns.pop(key, None)
        self._send(name, message, blobs)

    def forget(self, camera: str) -> None:
        """Whoever subscribes late is told nothing more of this camera."""
        for key in [k for k, (_, message, _) in self._retained.items() if message.camera == camera]:
            del self._retained[key]
            self._due.discard(key)
            self._repeated_at_ns.pop(key, None)

    @property
    def retained(self) -> list[Message]:
        """What a late subscriber gets."""
        return [message for _, message, _ in self._retained.values()]

    def serve(self) -> None:
        """Takes in subscriptions and repeats what they ask for; never waits."""
        socket = self._socket.zmq
        for _ in range(FRAMES_PER_SERVING):
            try:
                frame = socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            if frame.startswith(b"\x01"):  # 1 subscribes, 0 unsubscribes, all else is foreign
                prefix = frame[1:]
                self._due.update(
                    key
                    for key, (name, *_) in self._retained.items()
                    if name.encode()[: len(prefix)] == prefix
                )
        now_ns = self._clock_ns()
        for key in sorted(self._due):
            if now_ns - self._repeated_at_ns.get(key, -REPLAY_EVERY_NS) >= REPLAY_EVERY_NS:
                self._due.discard(key)
                self._repeated_at_ns[key] = now_ns
                name, message, blobs = self._retained[key]
                self._send(name, msgspec.structs.replace(message, replay=True), blobs)

    def close(self, *, orderly: bool) -> None:
        """Closes the socket; an orderly stop gives the last words up to half a second to leave."""
        self._socket.close(linger_ms=ORDERLY_LINGER_MS if orderly else 0)

    def _send(self, name: str, message: Message, blobs: Sequence[bytes]) -> None:
        socket = self._socket.zmq
        parts = [name.encode(), self._encoder.encode(message), *blobs]
        try:
            socket.send_multipart(parts, flags=zmq.NOBLOCK)
        except (
            zmq.Again
        ):  # XPUB drops rather than waits, so this is not expected; it is no reason to end
            _log.warning("a message on %s could not be queued", name)
        except zmq.ZMQError as error:
            raise PublishError(f"can't publish on {self.endpoint} any more: {error}") from error
