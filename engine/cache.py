"""Where what was compiled for this machine is kept for the next start."""

from __future__ import annotations

import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)


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
