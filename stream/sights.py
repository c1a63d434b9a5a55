"""Opens each camera's sight: on the GPU where the engine has eyes there, else on the host."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from threading import BoundedSemaphore

from engine.errors import EngineError
from engine.flow.estimator import FlowEstimator
from engine.machine import describe_machine
from engine.manifest import FlowEntry, Manifest
from engine.sight import Eyes, Sight
from stream.configuration.config import CameraConfig
from stream.host_sight import HostSight
from stream.region import Point, Region
from stream.sampler import OpenSight
from stream.zoom import Zoom, ZoomedSight

_HANDING_OVER = 2  # cameras at once: one fills its slot while another's Python runs

_log = logging.getLogger(__name__)


class Sights:
    """For any thread.

    Args:
        manifest, flow_entry: the bundle's, and of the flow that runs.
        open_flow: opens an estimator for one camera.
        handed_over: called after each frame that waits for the GPU.

    Attributes:
        eyes: the engine's; to be set before the first frame, where there are any.
    """

    def __init__(
        self,
        manifest: Manifest,
        flow_entry: FlowEntry,
        open_flow: Callable[[], FlowEstimator],
        handed_over: Callable[[], object] = lambda: None,
    ) -> None:
        self.eyes: Eyes | None = None
        self._manifest = manifest
        self._flow_entry = flow_entry
        self._open_flow = open_flow
        self._handed_over = handed_over
        self._on_host = BoundedSemaphore(describe_machine().cores)
        self._handing_over = BoundedSemaphore(_HANDING_OVER)

    def turns(self) -> AbstractContextManager[object]:
        """To be held by a camera's thread while it makes a sample of a frame.

        Where all threads run that have something to do, those that come after the cameras' get no
        turn of the interpreter, and all is late.
        """
        return self._on_host if self.eyes is None else self._handing_over

    def opener(self, camera: CameraConfig) -> OpenSight:
        """What opens the camera's sight for pictures of a size."""
        host: HostSight | None = None
        zoom = None if camera.zoom is None else Zoom.around(camera.zoom)
        region: Sequence[Point] | None = camera.region
        if region is not None and zoom is not None:
            region = zoom.points(region)

        def open_sight(size: tuple[int, int]) -> Sight:
            return sight(size) if zoom is None else ZoomedSight(sight(zoom.size(size)), zoom)

        def sight(size: tuple[int, int]) -> Sight:
            nonlocal host
            if (found := self._on_gpu(camera, region, size)) is not None:
                return found
            if host is None:
                host = HostSight(
                    self._manifest,
                    self._open_flow(),
                    bound_px=self._flow_entry.bound_px,
                    explain=camera.explain,
                    region=region,
                )
            return host

        return open_sight

    def of_scaled(self, camera: CameraConfig) -> Sight | None:
        """What makes a camera's pictures of those that come resized, with grey outside of its
        region; None where whoever resizes them does all the rest, too.
        """
        return self._on_gpu(camera, None, self._manifest.resize)

    def _on_gpu(
        self, camera: CameraConfig, region: Sequence[Point] | None, size: tuple[int, int]
    ) -> Sight | None:
        if self.eyes is None:
            return None  # and it was said why
        if camera.explain:
            _log.info("%s: its pictures are made on the CPU, since explain shows them", camera.name)
            return None
        outside = None if region is None else Region(region, self._manifest.resize).outside
        try:
            return self.eyes.open(size, outside, self._handed_over)
        except EngineError as error:
            _log.warning("%s: its pictures are made on the CPU: %s", camera.name, error)
            return None
