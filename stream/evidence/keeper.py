"""A thread that writes what events need, and deletes what is too old or too much."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import av

from engine.arrays import F32
from engine.manifest import Manifest
from stream.configuration.config import CameraConfig
from stream.events.event import Event
from stream.events.evidence import ClipFile, Evidence, EvidenceConfig, EvidenceReady, SnapshotFile
from stream.events.rule import RuleConfig
from stream.evidence.attention import AttentionRing, draw_attention
from stream.evidence.blur import blurred
from stream.evidence.clip import write_blurred_clip, write_clip
from stream.evidence.folder import EvidenceFolder, sha256, whole
from stream.evidence.holds import SECOND_NS, Holds
from stream.evidence.packets import Cut, PacketRing
from stream.evidence.picture import NEAR_NS, picture_at, write_picture
from stream.messaging.messages import utc
from stream.region import Region
from stream.zoom import Zoom

TIDY_EVERY_S = 600.0
LATE_S = 10.0  # at most, from a frame's capture to an event that begins with it
OFF_AT_MOST_S = 2.0  # a picture that is further from the frame that was wanted is another one
PATIENCE_S = 5.0  # beyond the post-roll, for packets that come late
GRACE_S = 0.2  # beyond the deadline of an orderly end, to say what there was no time for

_log = logging.getLogger(__name__)


class EvidenceKeeper(threading.Thread):
    """Follows events; a while after each one's end its evidence is written and told of.

    Args:
        rules: whose durations say how long after its beginning an event is told of.
        manifest: the bundle's: how often it looks, and at which part of a picture.
        deliver: takes an EvidenceReady; false where nobody listens any more. Called from this
            thread.

    Attributes:
        packets: what takes a camera's packets, by its name.
    """

    def __init__(
        self,
        config: EvidenceConfig,
        cameras: Sequence[CameraConfig],
        rules: Sequence[RuleConfig],
        *,
        manifest: Manifest,
        deliver: Callable[[EvidenceReady], bool],
        utc_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__(name="evidence", daemon=True)
        self._config = config
        self._manifest = manifest
        self._folder = EvidenceFolder(config, utc_ns=utc_ns)
        self._cameras: dict[str, CameraConfig] = {}
        self._followed: dict[str, CameraConfig] = {}  # by event id, as it was when the event began
        self._holds: dict[str, Holds] = {}
        self.packets: dict[str, PacketRing] = {}
        self._attention: dict[str, AttentionRing] = {}
        self.revise(cameras, rules)
        self._deliver = deliver
        self._untaken: list[EvidenceReady] = []
        self._missing: dict[str, str | None] = {}  # by camera, what the log was last told
        self._ended: queue.Queue[tuple[Event, CameraConfig] | None] = queue.Queue()
        self._hurried = threading.Event()  # waits for nothing any more
        self._stopped = threading.Event()
        self._deadline_s: float | None = None

    # --- what the main thread does ------------------------------------------------------------

    def looked(self, camera: str, captured_ns: int, attention: F32) -> None:
        """Takes the spatial attention [h,w] of a camera's newest sample, where it is asked for."""
        if camera in self._attention:
            self._attention[camera].add(captured_ns, attention)

    def revise(self, cameras: Sequence[CameraConfig], rules: Sequence[RuleConfig]) -> None:
        """Goes on with other cameras and rules. One that is gone keeps its packets, since what is
        still to be written of its events needs them. Events that go on keep the region and zoom
        under which they began.
        """
        keep_s = self._config.pre_roll_s + LATE_S
        keep_s += max((rule.min_duration_s for rule in rules), default=0.0)
        for camera in cameras:
            name = camera.name
            if name not in self._holds:
                holds = Holds(keep_s=keep_s, longest_s=self._config.longest_s)
                self._holds[name], self.packets[name] = holds, PacketRing(holds)
                if self._config.attention:
                    step_s = 1 / self._manifest.prediction_hz
                    self._attention[name] = AttentionRing(holds, step_s=step_s)
            self._holds[name].keep_s = keep_s
            self._cameras[name] = camera

    def follow(self, event: Event) -> None:
        """Takes a change of an event that wants evidence; never waits."""
        if event.phase == "start" and event.camera in self._cameras:
            before_ns = event.start_ns - round(self._config.pre_roll_s * SECOND_NS)
            self._holds[event.camera].hold(event.event_id, min(before_ns, event.key_ns))
            self._followed[event.event_id] = self._cameras[event.camera]
        elif event.phase == "end" and event.event_id in self._followed:
            # Others are of a daemon before this one, whose packets are gone.
            self._ended.put((event, self._followed.pop(event.event_id)))

    def finish(self, within_s: float) -> list[EvidenceReady]:
        """The orderly end: writes what there is of each event that is over, waiting for no more.

        Returns what nobody has been told of.
        """
        self._deadline_s = time.monotonic() + within_s
        self._hurried.set()
        self._ended.put(None)
        self.join(within_s + GRACE_S)
        return list(self._untaken)

    def stop(self) -> None:
        """Ends soon; what is still to be written is not."""
        self._stopped.set()
        self._hurried.set()
        self._ended.put(None)

    # --- the thread ---------------------------------------------------------------------------

    def run(self) -> None:
        """The thread's life."""
        tidy_at_s = time.monotonic()
        while not self._stopped.is_set():
            # An orderly end has no time for it; the next start does.
            if time.monotonic() >= tidy_at_s and not self._hurried.is_set():
                tidy_at_s = time.monotonic() + TIDY_EVERY_S
                with contextlib.suppress(OSError):  # deleted by somebody else meanwhile
                    self._folder.tidy()
            try:
                ended = self._ended.get(timeout=1.0)
            except queue.Empty:
                continue
            if ended is None:
                return
            self._keep(*ended)
            tidy_at_s = time.monotonic()  # what was written may be too much

    def _keep(self, event: Event, camera: CameraConfig) -> None:
        self._wait_for(event)
        if self._stopped.is_set():
            return
        try:
            evidence = self._written(event, camera)
        except Exception as error:  # noqa: BLE001  the next event has its evidence all the same
            _log.error("evidence: a bug, please report it", exc_info=error)
            evidence = Evidence(error=f"a bug ({type(error).__name__}, see the log)")
        self._holds[event.camera].release(event.event_id)
        before = self._missing.get(event.camera)
        self._missing[event.camera] = evidence.error
        if evidence.error not in (None, before):  # a drawn scene would say the same each time
            _log.warning("%s: evidence is missing: %s", event.camera, evidence.error)
        ready = EvidenceReady(event.event_id, evidence)
        if not self._deliver(ready):
            self._untaken.append(ready)

    def _wait_for(self, event: Event) -> None:
        """Until the post-roll is there, or hopeless; a camera that is lost sends no more."""
        assert event.end_ns is not None
        if event.end_reason != "below_exit":
            return
        due_ns = event.end_ns + round(self._config.post_roll_s * SECOND_NS)
        packets = self.packets[event.camera]
        latest_s = time.monotonic() + self._config.post_roll_s + PATIENCE_S
        while time.monotonic() < latest_s and not self._hurried.is_set():
            if packets.has(event.start_ns, until_ns=due_ns):
                return
            self._hurried.wait(0.2)

    def _is_too_late(self) -> bool:
        return self._stopped.is_set() or (
            self._deadline_s is not None and time.monotonic() > self._deadline_s
        )

    def _written(self, event: Event, camera: CameraConfig) -> Evidence:
        """camera: as it was when the event began, so that nothing is seen which was hidden then."""
        if self._is_too_late():
            return Evidence(error="the daemon stopped before it was written")
        cut = self._cut(event)
        if cut is None:
            return Evidence(error="this source gave no encoded video of that time")
        clip, snapshot, errors = None, None, []
        try:
            folder = self._folder.of(event)
        except OSError as error:
            return Evidence(error=f"{self._config.folder} can't be written ({_why(error)})")
        if self._config.snapshot:
            try:
                path = folder / self._folder.name(event, ".jpg")
                snapshot = self._folder.with_room(lambda: self._snapshot(event, camera, path))
            except (OSError, av.FFmpegError) as error:
                errors.append(f"the picture can't be kept ({_why(error)})")
            else:
                if self._config.attention and not snapshot.attention:
                    errors.append("where the model looked in the picture is no longer known")
        if self._config.clip:
            try:
                path = folder / self._folder.name(event, ".mp4")
                clip = self._folder.with_room(lambda: self._clip(event, camera, cut, path))
            except (OSError, av.FFmpegError) as error:
                errors.append(f"the clip can't be kept ({_why(error)})")
        return Evidence(clip=clip, snapshot=snapshot, error="; ".join(errors) or None)

    def _cut(self, event: Event) -> Cut | None:
        """The packets from the pre-roll to the post-roll, or to the longest that a clip may be."""
        config = self._config
        assert event.end_ns is not None
        start_ns = event.start_ns - round(config.pre_roll_s * SECOND_NS)
        end_ns = min(
            event.end_ns + round(config.post_roll_s * SECOND_NS),
            start_ns + round(config.longest_s * SECOND_NS),
        )
        return self.packets[event.camera].cut(start_ns, end_ns, of_ns=event.start_ns)

    def _snapshot(self, event: Event, camera: CameraConfig, path: Path) -> SnapshotFile:
        ring = self._attention.get(event.camera)
        looked = None if ring is None else ring.at(event.key_ns)
        key_ns = event.key_ns if looked is None else looked[0]
        off_ns = round(OFF_AT_MOST_S * SECOND_NS)
        # Some packets more than the picture's own: others may be needed to decode it.
        cut = self.packets[event.camera].cut(key_ns, key_ns + off_ns, of_ns=key_ns)
        image, at_ns = (None, 0) if cut is None else picture_at(cut, key_ns)
        if image is None or abs(at_ns - key_ns) > off_ns:
            raise OSError("the frame that was looked at most is no longer there")
        if camera.region:
            height, width = image.shape[:2]
            region = Region(camera.region, (width, height))
            image = blurred(image, region) if self._config.blur else region.apply(image)
        if at_ns > key_ns + NEAR_NS:
            looked = None  # it is a later picture, since the one that was looked at is gone
        if looked is not None:
            image = image.copy()
            seen = Zoom.around(camera.zoom or ((0, 0), (1, 1))).of(image)
            seen[:] = draw_attention(seen, looked[1], self._manifest)
        with whole(path) as part:
            write_picture(image, part)
        return SnapshotFile(
            uri=path.absolute().as_uri(),
            sha256=sha256(path),
            at=utc(at_ns),
            attention=looked is not None,
        )

    def _clip(self, event: Event, camera: CameraConfig, cut: Cut, path: Path) -> ClipFile:
        assert event.end_ns is not None
        with whole(path) as part:
            if self._config.blur:
                assert camera.region is not None  # else the configuration would be refused
                start_ns, end_ns = write_blurred_clip(
                    cut, part, camera.region, too_late=self._is_too_late
                )
            else:
                start_ns, end_ns = write_clip(cut, part)
            digest, size_bytes = sha256(part), part.stat().st_size
        return ClipFile(
            uri=path.absolute().as_uri(),
            sha256=digest,
            size_bytes=size_bytes,
            start=utc(start_ns),
            end=utc(end_ns),
            covers_event=start_ns <= event.start_ns and end_ns >= event.end_ns,
            blurred=self._config.blur,
        )


def _why(error: OSError | av.FFmpegError) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
