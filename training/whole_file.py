"""A small file that is written whole or not at all: a full disk or a kill leaves the older one."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from training.errors import OutputError


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path`, its folder made where there is none.

    Raises OutputError where it can't be written.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")  # two processes may write at once
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise OutputError(f"{path} can't be written ({error.strerror}).") from error
