"""What systemd is told (sd_notify): that the daemon is ready, lives, reads anew, and stops.

One datagram each, to the socket that systemd names. Under anything else nothing is said.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping

PATIENCE_S = 0.1  # systemd reads at once; where it doesn't, the cameras go before

_log = logging.getLogger(__name__)


class Systemd:
    """For the main thread.

    Args:
        environment: where systemd says how to reach it; the process's own by default.
    """

    def __init__(
        self,
        environment: Mapping[str, str] = os.environ,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        name = environment.get("NOTIFY_SOCKET", "")
        if name.startswith("@"):
            name = f"\0{name[1:]}"  # in the abstract namespace
        self._name = name if name.startswith(("/", "\0")) else ""
        self._clock_ns = clock_ns
        self._every_ns = _watchdog_ns(environment) // 2
        self._next_ns = clock_ns()
        self._status = ""

    def ready(self) -> None:
        """The service is started."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """The configuration is being read again; `ready` says when that is done."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={self._clock_ns() // 1000}")

    def stopping(self) -> None:
        """The service is being stopped."""
        self._tell("STOPPING=1")

    def says(self, status: str) -> None:
        """What `systemctl status` shows, told where it has changed."""
        if status != self._status:
            self._status = status
            self._tell("STATUS=" + " ".join(status.split()))

    def turned(self) -> None:
        """The main thread goes round: feeds the watchdog, twice in its time."""
        if self._every_ns and (now_ns := self._clock_ns()) >= self._next_ns:
            self._next_ns = now_ns + self._every_ns
            self._tell("WATCHDOG=1")

    def _tell(self, text: str) -> None:
        if not self._name:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to_systemd:
                to_systemd.settimeout(PATIENCE_S)
                to_systemd.connect(self._name)
                to_systemd.sendall(text.encode())
        except OSError as error:
            _log.warning("systemd could not be told %s (%s)", text, error.strerror or error)


def _watchdog_ns(environment: Mapping[str, str]) -> int:
    """How often systemd wants a sign of life; 0 where it wants none, or that of another process."""
    period_us = environment.get("WATCHDOG_USEC", "")
    is_ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(period_us) * 1000 if is_ours and period_us.isascii() and period_us.isdigit() else 0
