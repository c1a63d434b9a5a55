"""Answers to whoever asks: the state of everything, and the events after a number.

A ROUTER socket beside the publisher's; a REQ or DEALER socket asks in JSON:

    {"get": "snapshot"}                           -> {"v": 1, "messages": [...]}
    {"get": "events", "after": 17, "limit": 100}  -> {"v": 1, "events": [...], "newest": 23}
    anything else                                 -> {"v": 1, "error": "a sentence"}

A snapshot holds the messages that a late subscriber gets (without blobs), marked `replay`. Events
are what other receivers are told (`stream.events.report`); ask again after the last one's
`sequence` until none comes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec
import zmq

from stream.errors import StoreError
from stream.events.event import Event
from stream.events.report import report
from stream.messaging.bound_socket import BoundSocket
from stream.messaging.keys import KeyFolder
from stream.messaging.messages import VERSION, Message

AT_A_TIME = 10  # requests answered in one serving, which bounds its time
LONGEST_REQUEST_BYTES = 1024
HIGH_WATER_MARK = 100  # answers held for one asker that doesn't read; more are dropped

_log = logging.getLogger(__name__)

ChangesAfter = Callable[[int, int], Sequence[tuple[int, Event]]]  # after a number, at most so many


class _Snapshot(msgspec.Struct, frozen=True, tag_field="get", tag="snapshot"):
    pass


class _Events(msgspec.Struct, frozen=True, tag_field="get", tag="events"):
    after: Annotated[int, msgspec.Meta(ge=0, le=1 << 62)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class Answers:
    """Binds on construction. Only the thread that constructed it may use it.

    Args:
        retained: what a late subscriber would get now.
        changes: of events; none where nothing is stored.
        keys: of those who may ask; then all is encrypted. None lets anyone.

    Raises:
        PublishError: the endpoint is in use, not allowed, not to be had, or open to others.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        node: str,
        retained: Callable[[], Sequence[Message]],
        changes: ChangesAfter,
        insecure: bool = False,
        keys: KeyFolder | None = None,
    ) -> None:
        self._node = node
        self._retained = retained
        self._changes = changes
        self._socket = BoundSocket(
            zmq.ROUTER,
            endpoint,
            insecure=insecure,
            keys=keys,
            high_water_mark=HIGH_WATER_MARK,
            longest_bytes=LONGEST_REQUEST_BYTES,
        )
        self.endpoint = self._socket.endpoint

    def serve(self) -> None:
        """Answers what has been asked; never waits."""
        socket = self._socket.zmq
        for _ in range(AT_A_TIME):
            try:
                *envelope, request = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                answer = self._answer(request)
            except Exception as error:  # noqa: BLE001  nobody's question ends the daemon
                _log.error("a question could not be answered; please report it", exc_info=error)
                answer = msgspec.json.encode({"v": VERSION, "error": "a bug, see the log"})
            try:
                socket.send_multipart([*envelope, answer], zmq.NOBLOCK)
            except zmq.ZMQError:  # it doesn't read, or has gone
                continue

    def close(self) -> None:
        """May be called again."""
        self._socket.close()

    def _answer(self, request: bytes) -> bytes:
        try:
            asked = msgspec.json.decode(request, type=_Snapshot | _Events)
            if isinstance(asked, _Snapshot):
                messages = [
                    msgspec.structs.replace(message, replay=True) for message in self._retained()
                ]
                return msgspec.json.encode({"v": VERSION, "messages": messages})
            changes = self._changes(asked.after, asked.limit)
        except (msgspec.DecodeError, StoreError) as error:
            return msgspec.json.encode({"v": VERSION, "error": f"{error}"})
        events = [
            msgspec.Raw(report(sequence, event, node=self._node)) for sequence, event in changes
        ]
        newest = changes[-1][0] if changes else asked.after
        return msgspec.json.encode({"v": VERSION, "events": events, "newest": newest})
