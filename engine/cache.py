"""Where what was compiled for this machine is kept for the next start.

What is kept here begins with the SHA-256 of what follows, so that damage shows. What was not read
for half a year makes room when something of its kind is kept: another version's, or another GPU's.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

_SUM_BYTES = 32
_UNREAD_S = 180 * 86400.0


def cache_dir(kind: str) -> Path | None:
    """A folder for one kind of things: in $GESTA_CACHE, else in gesta/ in the user's cache folder.

    None, with a warning, where that can't be written.
    """
    named = os.environ.get("GESTA_CACHE")
    users = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        folder = (Path(named) if named else Path(users) / "gesta").expanduser() / kind
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(f"no permission to write in {folder}")
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home to expand ~ to
        log.warning("what is compiled for %s isn't kept for the next start: %s", kind, error)
        return None
    return folder


def read_kept(path: Path) -> bytes | None:
    """What `keep` wrote; None where nothing is there, and with a warning where it is damaged."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("compiling again, since %s can't be read: %s", path, error)
        return None
    digest, content = text[:_SUM_BYTES], text[_SUM_BYTES:]
    if not content or hashlib.sha256(content).digest() != digest:
        log.warning("compiling again, since %s is damaged", path)
        return None
    with suppress(OSError):  # somebody else's cache, that may only be read
        os.utime(path)
    return content


def keep(path: Path, content: bytes) -> None:
    """Write it for the next start; a warning where that can't be done."""
    # Whole or not at all, whoever else starts at the same time.
    part: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            part = Path(file.name)
            file.write(hashlib.sha256(content).digest())
            file.write(content)
        os.replace(part, path)
    except OSError as error:
        log.warning("%s isn't kept for the next start: %s", path.name, error)
        if part is not None:
            part.unlink(missing_ok=True)
        return
    _forget_unread(path)


def _forget_unread(kept: Path) -> None:
    """Delete what has the suffix of `kept` beside it, and was neither written nor read for long."""
    before_s = time.time() - _UNREAD_S
    for file in kept.parent.glob(f"*{kept.suffix}"):
        with suppress(OSError):  # it went meanwhile, or isn't ours to delete
            if file.is_file() and file.stat().st_mtime < before_s:
                file.unlink()
                log.info("deleted %s, which was not used for half a year", file)
