"""A socket between two processes of ours: objects in their order, arrays beside them uncopied."""

from __future__ import annotations

import contextlib
import pickle
import select
import socket
import struct
import threading
from collections.abc import Sequence
from typing import Any

MESSAGE_S = 10.0  # how long a message that has begun may stop
_AT_ONCE = 512  # buffers that one call sends: IOV_MAX is 1024
_COUNT = struct.Struct("=I")


class Link:
    """One end. Any thread may send; one receives.

    What comes is unpickled: the other end must be a process that this one has started, or was
    started by.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._sending = threading.Lock()
        self._readable = select.poll()
        self._readable.register(end, select.POLLIN)

    def send(self, items: Sequence[object]) -> None:
        """Sends them as one message; waits while the other end doesn't take it.

        Raises OSError where there is no other end any more.
        """
        beside: list[memoryview] = []
        pickled = pickle.dumps(
            items, protocol=5, buffer_callback=lambda buffer: beside.append(buffer.raw())
        )
        sizes = [len(pickled), *(part.nbytes for part in beside)]
        head = _COUNT.pack(len(sizes)) + struct.pack(f"={len(sizes)}Q", *sizes)
        parts = [memoryview(head), memoryview(pickled), *(part for part in beside if part.nbytes)]
        with self._sending:
            while parts:
                sent = self._socket.sendmsg(parts[:_AT_ONCE])
                done = 0
                while done < len(parts) and sent >= parts[done].nbytes:
                    sent -= parts[done].nbytes
                    done += 1
                del parts[:done]
                if sent:
                    parts[0] = parts[0][sent:]

    def receive(self, timeout_s: float) -> list[Any] | None:
        """The next message; None where none begins within the time.

        Raises EOFError or OSError where no more will come, TimeoutError where one stops midway.
        """
        if not self._readable.poll(timeout_s * 1000):
            return None
        (count,) = _COUNT.unpack(self._read(_COUNT.size))
        sizes = struct.unpack(f"={count}Q", self._read(8 * count))
        whole = memoryview(self._read(sum(sizes)))
        parts, start = [], 0
        for size in sizes:
            parts.append(whole[start : start + size])
            start += size
        items: list[Any] = pickle.loads(parts[0], buffers=parts[1:])  # noqa: S301  our own process
        return items

    def hang_up(self) -> None:
        """Nothing more comes or goes; both ends notice."""
        with contextlib.suppress(OSError):  # the other end has gone already
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Lets go of the socket; nobody may use it any more."""
        self._socket.close()

    def _read(self, size: int) -> bytearray:
        data = bytearray(size)
        rest = memoryview(data)
        while rest:
            if not self._readable.poll(MESSAGE_S * 1000):
                raise TimeoutError("stopped in the middle of a message")
            if not (count := self._socket.recv_into(rest)):
                raise EOFError("the other end has closed")
            rest = rest[count:]
        return data
