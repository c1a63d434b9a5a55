"""What the daemon asks of whatever captures a camera: a thread of its own, or another process."""

from __future__ import annotations

from typing import Protocol

from stream.configuration.config import CameraConfig
from stream.status import CaptureSnapshot


class Capture(Protocol):
    """One camera's; for the main thread.

    Attributes:
        name: for people.
    """

    name: str
    camera: CameraConfig

    def start(self) -> None:
        """Begins; returns at once."""
        ...

    def stop(self) -> None:
        """Asks it to end; never waits."""
        ...

    def join(self, timeout: float | None = None) -> None:
        """Waits for its end, at most `timeout` seconds."""
        ...

    def is_alive(self) -> bool:
        """Whether it has begun, and not ended yet."""
        ...

    def supervise(self) -> None:
        """Called about once a second."""
        ...

    def snapshot(self) -> CaptureSnapshot:
        """The numbers as they are now; for any thread."""
        ...
