"""What the other threads tell the main thread."""

from __future__ import annotations

import queue
import threading

from stream.events.evidence import EvidenceReady
from stream.inference import Recognised
from stream.status import StatusChange

CAPACITY = 1000
AT_ONCE = 100  # items handed out together, so that nothing else waits for long
POLL_S = 0.1

News = Recognised | StatusChange | EvidenceReady


class Inbox:
    """Bounded: should the main thread ever stand still, the others wait rather than fill memory."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._items: queue.Queue[News] = queue.Queue(capacity)
        self._closed = threading.Event()

    def put(self, item: News) -> bool:
        """Hands over; waits while the inbox is full. False once it is closed."""
        while not self._closed.is_set():
            try:
                self._items.put(item, timeout=POLL_S)
            except queue.Full:
                continue
            return True
        return False

    def take(self, timeout_s: float, at_most: int = AT_ONCE) -> list[News]:
        """What has come, oldest first; waits for the first until the timeout."""
        items: list[News] = []
        try:
            items.append(self._items.get(timeout=timeout_s))
            while len(items) < at_most:
                items.append(self._items.get_nowait())
        except queue.Empty:
            pass
        return items

    def close(self) -> None:
        """Nobody listens any more; whoever waits is let go."""
        self._closed.set()

    @property
    def depth(self) -> int:
        """Items waiting."""
        return self._items.qsize()
