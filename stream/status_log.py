"""What the log says of cameras: each change, once."""

from __future__ import annotations

import logging

from stream.errors import Reason
from stream.messaging.messages import Status

_log = logging.getLogger(__name__)


class StatusLog:
    """A camera that is away for a week, and tried again all the time, must not fill the log."""

    def __init__(self) -> None:
        self._away: dict[str, tuple[str, str | None, str]] = {}  # what was last said of a camera

    def note(self, status: Status) -> None:
        """Logs a status, unless nothing has changed since the last one that counts."""
        name, told = status.camera or "", (status.state, status.reason, status.detail)
        is_old = self._away.get(name) == told
        if status.state == "connecting":
            is_old = name in self._away
        elif status.state in ("offline", "stalled"):
            self._away[name] = told
        else:
            self._away.pop(name, None)
        recovered = status.state == "live" and status.reason is not Reason.OVERLOAD
        level = logging.INFO if status.reason is None or recovered else logging.WARNING
        reason = f"{' after' if recovered else ''} {status.reason}" if status.reason else ""
        detail = f": {status.detail}" if status.detail else ""
        _log.log(
            logging.DEBUG if is_old else level, "%s: %s%s%s", name, status.state, reason, detail
        )

    def forget(self, camera: str) -> None:
        """One that was taken out."""
        self._away.pop(camera, None)
