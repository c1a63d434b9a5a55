"""Decoded pictures in memory, up to a limit: those that were used longest ago go first."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Hashable

from engine.arrays import U8


def memory_share(parts: int) -> int:
    """Bytes: one of `parts` of this machine's memory, shared with torchrun's other processes."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(memory) // parts // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


class PictureCache:
    """For use by several threads. Pictures in it can't be written to."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes = 0
        self._pictures: OrderedDict[Hashable, U8] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> U8 | None:
        with self._lock:
            picture = self._pictures.get(key)
            if picture is not None:
                self._pictures.move_to_end(key)
            return picture

    def put(self, key: Hashable, picture: U8) -> None:
        picture.flags.writeable = False
        with self._lock:
            if key in self._pictures:  # another thread was faster
                return
            self._pictures[key] = picture
            self.used_bytes += picture.nbytes
            while self.used_bytes > self.limit_bytes:
                _, oldest = self._pictures.popitem(last=False)
                self.used_bytes -= oldest.nbytes
