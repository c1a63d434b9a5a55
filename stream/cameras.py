"""The cameras that are watched: each one's thread, and what is known of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from stream.batching import Batcher
from stream.capturing import Capture
from stream.configuration.config import CameraConfig
from stream.health import CameraMonitor
from stream.samples import SampleQueue
from stream.shedding import Shedding
from stream.sources.open import open_source
from stream.sources.source import SourceOptions


def check_sources(cameras: Iterable[CameraConfig]) -> None:
    """Raises ConfigError where a camera's URL can't be right; nothing is opened."""
    for camera in cameras:
        open_source(camera.url, SourceOptions())


class Cameras:
    """Begins to watch cameras, and ends it, while the others go on. For the main thread.

    Args:
        make: a camera's capture, not started, and where its samples will be; its first stream
            epoch is the number given.
        batcher: takes samples out of every camera's queue.
        shedding: what is left out of all of them while the machine is too slow.

    Attributes:
        monitors: what is known of each camera that is watched, by name.
    """

    def __init__(
        self,
        make: Callable[[CameraConfig, int], tuple[Capture, SampleQueue]],
        batcher: Batcher,
        shedding: Shedding,
    ) -> None:
        self.monitors: dict[str, CameraMonitor] = {}
        self._make = make
        self._batcher = batcher
        self.shedding = shedding
        self._captures: dict[str, Capture] = {}
        self._leaving: list[Capture] = []  # asked to end; FFmpeg may hold them for a while
        self._epochs: dict[str, int] = {}  # where a camera that comes back begins
        self._started = False

    def add(self, camera: CameraConfig) -> None:
        """Watches one more; where it was watched before, its stream epochs go on from there."""
        epoch = self._epochs.get(camera.name, 0)
        capture, queue = self._make(camera, epoch)
        self._captures[camera.name] = capture
        self.monitors[camera.name] = CameraMonitor(capture, epoch, self.shedding)
        self._batcher.add(camera.name, queue)
        if self._started:
            capture.start()

    def remove(self, name: str) -> None:
        """Watches it no longer. Never waits."""
        capture = self._captures.pop(name)
        del self.monitors[name]
        capture.stop()
        self._batcher.remove(name)
        self._leaving.append(capture)
        self._epochs[name] = capture.snapshot().epoch + 1

    def start(self) -> None:
        """Begins with all that were added."""
        self._started = True
        for capture in self._captures.values():
            capture.start()

    def supervise(self) -> None:
        """About once a second: threads that hang are given up for new ones."""
        for capture in self._captures.values():
            capture.supervise()
        self._leaving = [capture for capture in self._leaving if capture.is_alive()]

    def stop(self) -> None:
        """Asks every thread to end."""
        for capture in self._captures.values():
            capture.stop()

    def join(self, deadline_s: float) -> list[str]:
        """Waits for the threads, until `time.monotonic()` is there; names those left behind."""
        captures = [*self._captures.values(), *self._leaving]
        for capture in captures:
            if capture.is_alive():
                capture.join(max(0.0, deadline_s - time.monotonic()))
        return [capture.name for capture in captures if capture.is_alive()]
