"""What every message carries: who says it, its number, and when."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from stream.messaging.messages import VERSION, utc
from stream.messaging.topics import BY_KIND, topic


class Envelope:
    """Numbers and signs the messages of one daemon process.

    A message whose fields were taken must be sent: `seq` has no gaps. One thread uses it.
    """

    def __init__(self, site: str, node: str, *, utc_ns: Callable[[], int] = time.time_ns) -> None:
        self.site = site
        self.node = node
        self.boot = uuid.uuid4().hex
        self._utc_ns = utc_ns
        self._last_seq: dict[str, int] = {}

    def fields(
        self, kind: str, camera: str | None = None, stream_epoch: int | None = None
    ) -> dict[str, Any]:
        """The common fields of the next message of this kind, to be passed on as keywords."""
        seq = self._last_seq.get(name := self.topic(kind, camera), -1) + 1
        self._last_seq[name] = seq
        return {
            "v": VERSION,
            "id": uuid.uuid4().hex,
            "site": self.site,
            "node": self.node,
            "boot": self.boot,
            "seq": seq,
            "camera": camera,
            "stream_epoch": stream_epoch,
            "published_at": utc(self._utc_ns()),
            "replay": False,
        }

    def topic(self, kind: str, camera: str | None = None) -> str:
        """Where this kind of message goes."""
        if (BY_KIND[kind].scope == "camera") != (camera is not None):
            raise ValueError(f"{kind} is about the {BY_KIND[kind].scope}, but camera is {camera!r}")
        return topic(self.site, camera or self.node, kind)

    def last_seq(self) -> dict[str, int]:
        """The newest number of each topic."""
        return dict(self._last_seq)

    def now_ns(self) -> int:
        """UTC nanoseconds, by the clock that signs the messages."""
        return self._utc_ns()
