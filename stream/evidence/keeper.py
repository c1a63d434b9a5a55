"""A thread that writes what events need, and deletes what is too old or too much."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import queue
import re
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import av

from stream.config import CameraConfig, EvidenceConfig
from stream.events.event import Event
from stream.events.evidence import ClipFile, Evidence, EvidenceReady, SnapshotFile
from stream.events.rule import RuleConfig
from stream.evidence.clip import frame_at, write_clip, write_picture
from stream.evidence.packets import SECOND_NS, Cut, PacketRing
from stream.messaging.messages import utc
from stream.region import Region

TIDY_EVERY_S = 600.0
LATE_S = 10.0  # at most, from a frame's capture to an event that begins with it
OFF_AT_MOST_S = 2.0  # a picture that is further from the frame that was wanted is another one
PATIENCE_S = 5.0  # beyond the post-roll, for packets that come late

# What this thread writes, and so may delete.
_OURS = re.compile(r"[a-z0-9_-]+_\d{6}_[a-z0-9_-]+_[0-9a-f]{8}\.(mp4|jpg|part|jpg\.part)")

_log = logging.getLogger(__name__)


class EvidenceKeeper(threading.Thread):
    """Follows events; a while after each one's end its evidence is written and told of.

    Args:
        rules: whose durations say how long after its beginning an event is told of.
        deliver: takes an EvidenceReady; called from this thread.
    """

    def __init__(
        self,
        config: EvidenceConfig,
        cameras: Sequence[CameraConfig],
        rules: Sequence[RuleConfig],
        *,
        deliver: Callable[[EvidenceReady], object],
        utc_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__(name="evidence", daemon=True)
        self._config = config
        self._folder = Path(config.folder)
        self._cameras: dict[str, CameraConfig] = {}
        self.packets: dict[str, PacketRing] = {}
        self.revise(cameras, rules)
        self._deliver = deliver
        self._utc_ns = utc_ns
        self._ended: queue.Queue[Event | None] = queue.Queue()
        self._stopped = threading.Event()

    def revise(self, cameras: Sequence[CameraConfig], rules: Sequence[RuleConfig]) -> None:
        """Goes on with other cameras and rules. One that is gone keeps its packets, since what is
        still to be written of its events needs them.
        """
        keep_s = self._config.pre_roll_s + LATE_S
        keep_s += max((rule.min_duration_s for rule in rules), default=0.0)
        for camera in cameras:
            self._cameras[camera.name] = camera
            ring = self.packets.setdefault(
                camera.name, PacketRing(keep_s=keep_s, longest_s=self._config.longest_s)
            )
            ring.keep_s = keep_s

    def follow(self, event: Event) -> None:
        """Takes a change of an event that wants evidence; never waits."""
        if event.camera not in self.packets or event.end_reason in ("crash", "shutdown"):
            return  # of a daemon before this one, whose packets are gone; or nobody will be told
        if event.phase == "start":
            before_ns = round(self._config.pre_roll_s * SECOND_NS)
            self.packets[event.camera].hold(event.event_id, event.start_ns - before_ns)
        elif event.phase == "end" and event.evidence is None:
            self._ended.put(event)

    def stop(self) -> None:
        """Ends soon; what is still to be written is not."""
        self._stopped.set()
        self._ended.put(None)

    def run(self) -> None:
        """The thread's life."""
        tidied_s = -TIDY_EVERY_S
        while not self._stopped.is_set():
            if time.monotonic() - tidied_s >= TIDY_EVERY_S:
                tidied_s = time.monotonic()
                with contextlib.suppress(OSError):  # deleted by somebody else meanwhile
                    self._tidy()
            try:
                event = self._ended.get(timeout=1.0)
            except queue.Empty:
                continue
            if event is not None:
                self._keep(event)

    def _keep(self, event: Event) -> None:
        packets = self.packets[event.camera]
        self._wait_for(event)
        if self._stopped.is_set():
            return
        try:
            evidence = self._written(event, packets)
        except Exception as error:  # noqa: BLE001  the next event has its evidence all the same
            _log.error("evidence: a bug, please report it", exc_info=error)
            evidence = Evidence(error=f"a bug ({type(error).__name__}, see the log)")
        packets.release(event.event_id)
        if evidence.error is not None:
            _log.warning("%s: no evidence: %s", event.camera, evidence.error)
        self._deliver(EvidenceReady(event.event_id, evidence))

    def _wait_for(self, event: Event) -> None:
        """Until the post-roll is there, or hopeless; a camera that is lost sends no more."""
        assert event.end_ns is not None
        if event.end_reason != "below_exit":
            return
        due_ns = event.end_ns + round(self._config.post_roll_s * SECOND_NS)
        packets = self.packets[event.camera]
        latest_s = time.monotonic() + self._config.post_roll_s + PATIENCE_S
        while time.monotonic() < latest_s and not self._stopped.is_set():
            if packets.has(event.start_ns, until_ns=due_ns):
                return
            self._stopped.wait(0.2)

    def _written(self, event: Event, packets: PacketRing) -> Evidence:
        config = self._config
        assert event.end_ns is not None
        start_ns = event.start_ns - round(config.pre_roll_s * SECOND_NS)
        end_ns = min(
            event.end_ns + round(config.post_roll_s * SECOND_NS),
            start_ns + round(config.longest_s * SECOND_NS),
        )
        cut = packets.cut(start_ns, end_ns, of_ns=event.start_ns)
        if cut is None:
            return Evidence(error="this source gave no encoded video of that time")
        day, clock = utc(event.start_ns)[:10], utc(event.start_ns)[11:19].replace(":", "")
        stem = self._folder / day / f"{event.camera}_{clock}_{event.rule}_{event.event_id[:8]}"
        part = stem.with_suffix(".part")
        try:
            stem.parent.mkdir(parents=True, exist_ok=True)
            write_clip(cut, part)
        except (OSError, av.FFmpegError) as error:
            _remove(part)
            return Evidence(error=f"{stem.parent} can't be written ({_why(error)})")
        clip, snapshot, errors = None, None, []
        try:
            if config.snapshot:
                snapshot = self._snapshot(event, cut, part, stem.with_suffix(".jpg"))
        except (OSError, av.FFmpegError) as error:
            errors.append(f"the picture can't be kept ({_why(error)})")
        try:
            if config.clip:
                clip = _clip(event, cut, part, stem.with_suffix(".mp4"))
        except OSError as error:
            errors.append(f"the clip can't be kept ({_why(error)})")
        _remove(part)
        return Evidence(clip=clip, snapshot=snapshot, error="; ".join(errors) or None)

    def _snapshot(self, event: Event, cut: Cut, clip: Path, path: Path) -> SnapshotFile:
        image, at_ns = frame_at(clip, cut, event.key_ns)
        if abs(at_ns - event.key_ns) > OFF_AT_MOST_S * SECOND_NS:
            raise OSError("the frame that was looked at most is no longer there")
        region = self._cameras[event.camera].region
        if region:
            height, width = image.shape[:2]
            image = Region(region, (width, height)).apply(image)
        part = path.with_suffix(".jpg.part")
        try:
            write_picture(image, part)
            part.replace(path)
        except OSError:
            _remove(part)
            raise
        return SnapshotFile(uri=path.absolute().as_uri(), sha256=_sha256(path), at=utc(at_ns))

    def _tidy(self) -> None:
        """Deletes what is too old, then the oldest until the rest fits."""
        files = sorted(
            (path.stat().st_mtime_ns, path.stat().st_size, path)
            for path in self._folder.glob("????-??-??/*")
            if _OURS.fullmatch(path.name)
        )
        oldest_ns = self._utc_ns() - round(self._config.keep_days * 86_400 * SECOND_NS)
        left = sum(size for _, size, _ in files)
        for modified_ns, size, path in files:
            too_old = self._config.keep_days and modified_ns < oldest_ns
            if not too_old and left <= self._config.keep_bytes:
                continue
            with contextlib.suppress(OSError):
                path.unlink()
                left -= size
        for folder in self._folder.glob("????-??-??"):
            with contextlib.suppress(OSError):  # it isn't empty
                folder.rmdir()


def _clip(event: Event, cut: Cut, part: Path, path: Path) -> ClipFile:
    assert event.end_ns is not None
    digest, size = _sha256(part), part.stat().st_size
    part.replace(path)
    return ClipFile(
        uri=path.absolute().as_uri(),
        sha256=digest,
        size_bytes=size,
        start=utc(cut.start_ns),
        end=utc(cut.end_ns),
        covers_event=cut.start_ns <= event.start_ns and cut.end_ns >= event.end_ns,
    )


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _why(error: OSError | av.FFmpegError) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
