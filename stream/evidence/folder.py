"""The folder of evidence: how files are named, appear whole, and are deleted in time."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from stream.events.event import Event
from stream.events.evidence import EvidenceConfig
from stream.evidence.holds import SECOND_NS
from stream.messaging.messages import utc

Written = TypeVar("Written")

_FULL = (errno.ENOSPC, errno.EDQUOT)
# What is written here, and so may be deleted.
_OURS = re.compile(r"[a-z0-9_-]+_\d{6}_[a-z0-9_-]+_[0-9a-f]{8}\.(mp4|jpg)(\.part)?")


class EvidenceFolder:
    """Files by day. They and their folders are readable by their owner alone."""

    def __init__(self, config: EvidenceConfig, *, utc_ns: Callable[[], int] = time.time_ns) -> None:
        self._config = config
        self._folder = Path(config.folder)
        self._utc_ns = utc_ns

    def of(self, event: Event) -> Path:
        """The folder of an event's day, which is made. Raises OSError where it can't be."""
        day = self._folder / utc(event.start_ns)[:10]
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.with_room(lambda: day.mkdir(mode=0o700, exist_ok=True))
        return day

    def name(self, event: Event, suffix: str) -> str:
        """What a file of an event is called."""
        clock = utc(event.start_ns)[11:19].replace(":", "")
        return f"{event.camera}_{clock}_{event.rule}_{event.event_id[:8]}{suffix}"

    def tidy(self) -> None:
        """Deletes what is too old, then the oldest until the rest fits."""
        self._make_room()
        for folder in self._folder.glob("????-??-??"):
            with contextlib.suppress(OSError):  # it isn't empty
                folder.rmdir()

    def with_room(self, write: Callable[[], Written]) -> Written:
        """Calls it; where the disk is full, once more after what is due was deleted. Raises what
        `write` raises."""
        try:
            return write()
        except OSError as error:
            if error.errno not in _FULL:
                raise
        with contextlib.suppress(OSError):  # deleted by somebody else meanwhile
            self._make_room()
        return write()

    def _make_room(self) -> None:
        files = sorted(
            ((stat := path.stat()).st_mtime_ns, stat.st_size, path)
            for path in self._folder.glob("????-??-??/*")
            if _OURS.fullmatch(path.name)
        )
        oldest_ns = self._utc_ns() - round(self._config.keep_days * 86_400 * SECOND_NS)
        left = sum(size for _, size, _ in files)
        for modified_ns, size, path in files:
            too_old = self._config.keep_days and modified_ns < oldest_ns
            if not too_old and left <= self._config.keep_bytes:
                continue
            with contextlib.suppress(OSError):
                path.unlink()
                left -= size


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yields a file to be written, which becomes `path` at the end, or nothing where that fails.

    What it became outlasts a power cut, as what the event store says of it does.

    Raises:
        OSError: it can't be made.
    """
    part = path.with_name(f"{path.name}.part")
    os.close(os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
    try:
        yield part
        _sync(part)
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    for folder in (path.parent, path.parent.parent):  # the day's may be new
        with contextlib.suppress(OSError):  # some network file systems can't sync a folder
            _sync(folder)


def _sync(path: Path) -> None:
    """Of a file or folder: what was written reaches the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """Of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
