"""The daemon's capture processes, and which camera goes to which."""

from __future__ import annotations

import itertools
import math
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.sight import Sight
from stream.configuration.config import CameraConfig
from stream.processes.capture_process import CaptureProcess
from stream.processes.orders import Begin
from stream.processes.remote_capture import RemoteCapture
from stream.samples import SampleQueue
from stream.sources.source import Decoder
from stream.status import StatusChange

if TYPE_CHECKING:
    from stream.evidence.packets import PacketRing

# What one interpreter serves without losses, and what is well below that: docs/results.md.
ALONE_AT_MOST, SHARE = 48, 32
STOP_S = 0.5


def processes_for(cameras: int, cores: int, decoder: Decoder = "cpu") -> int:
    """How many processes so many cameras are captured in where nobody says: 0 is the daemon's.

    A GPU decodes in other processes alone: PyAV holds the interpreter while a picture comes down.
    """
    if decoder == "cpu" and cameras <= ALONE_AT_MOST:
        return 0
    return max(1, min(math.ceil(cameras / SHARE), cores))


class CaptureProcesses:
    """Closed with the block. For the main thread.

    Args:
        number: of them; 0 takes no camera.
        begin: each one's first order.
        wants_flow: whether the flow stream is wanted at the moment.
    """

    def __init__(self, number: int, begin: Begin, wants_flow: Callable[[], bool]) -> None:
        self._processes = [
            CaptureProcess(each, begin, wants_flow=wants_flow) for each in range(number)
        ]
        self._keys = itertools.count()
        self._captures: list[tuple[CaptureProcess, RemoteCapture]] = []

    def __enter__(self) -> CaptureProcesses:
        for process in self._processes:
            process.start()
        return self

    def __exit__(self, *failure: object) -> None:
        deadline_s = time.monotonic() + STOP_S
        for process in self._processes:
            process.stop()
        for process in self._processes:
            process.close(deadline_s)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._processes)

    @property
    def pids(self) -> list[int]:
        """Of those that run."""
        return [process.pid for process in self._processes if process.pid is not None]

    def capture(
        self,
        camera: CameraConfig,
        *,
        queue: SampleQueue,
        on_status: Callable[[StatusChange], object],
        epoch: int,
        open_sight: Callable[[], Sight | None],
        packets: PacketRing | None,
    ) -> RemoteCapture:
        """What stands for a camera in the process that has the fewest. See RemoteCapture."""
        self._captures = [each for each in self._captures if not each[1].is_leaving]
        load = Counter(process for process, _ in self._captures)
        process = min(self._processes, key=lambda each: load[each])
        capture = RemoteCapture(
            camera,
            key=next(self._keys),
            host=process,
            queue=queue,
            on_status=on_status,
            epoch=epoch,
            open_sight=open_sight,
            packets=packets,
        )
        self._captures.append((process, capture))
        return capture
