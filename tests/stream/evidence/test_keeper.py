"""Clips and pictures of events, written and read again."""

from __future__ import annotations

import hashlib
import os
import queue
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import av
import cv2
import msgspec
import numpy as np
import pytest

from stream.configuration.config import CameraConfig
from stream.events.event import EndReason, Event, new_event
from stream.events.evidence import EvidenceConfig, EvidenceReady
from stream.evidence import clip as clip_module
from stream.evidence import keeper as module
from stream.evidence.keeper import EvidenceKeeper
from stream.region import GREY
from tests.stream.events.drawn import rule
from tests.stream.evidence.recorded import FPS, at_ns, bars, brightness, feed, write_video
from tests.stream.synthetic import small_manifest

SOON_S = 20.0
HALL = CameraConfig(name="hall", url="rtsp://camera.example/1")
LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
RIGHT = ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "a.mp4", frames=125)  # 5 s


class Kept:
    """A keeper whose results are waited for."""

    def __init__(self, folder: Path, camera: CameraConfig = HALL, **given: object) -> None:
        fields: dict[str, object] = {"pre_roll_s": 0.5, "post_roll_s": 0.5, "longest_s": 60.0}
        config = EvidenceConfig(folder=str(folder), **(fields | given))  # type: ignore[arg-type]
        self.ready: queue.Queue[EvidenceReady] = queue.Queue()
        self.is_heard = True
        self.keeper = EvidenceKeeper(
            config, [camera], [rule()], manifest=small_manifest(), deliver=self._deliver
        )
        self.packets = self.keeper.packets["hall"]

    def _deliver(self, ready: EvidenceReady) -> bool:
        if self.is_heard:
            self.ready.put(ready)
        return self.is_heard

    def of(self, start_s: float, end_s: float, reason: EndReason = "below_exit") -> EvidenceReady:
        event = started(start_s)
        self.keeper.follow(event)
        self.keeper.follow(ended(event, end_s, reason))
        return self.ready.get(timeout=SOON_S)


def started(start_s: float, key_s: float | None = None) -> Event:
    return new_event(
        rule(), site="home", camera="hall", label="walk", start_ns=at_ns(start_s),
        seen_ns=at_ns(start_s), peak=0.9, peak_ns=at_ns(start_s),
        key_ns=at_ns(start_s + 0.2 if key_s is None else key_s), onset_uncertainty_s=1.2,
    )  # fmt: skip


def ended(event: Event, end_s: float, reason: EndReason = "below_exit") -> Event:
    return event.ended(reason, at_ns(end_s))


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[Callable[..., Kept]]:
    made: list[Kept] = []

    def start(camera: CameraConfig = HALL, **given: object) -> Kept:
        made.append(Kept(tmp_path / "evidence", camera, **given))
        made[-1].keeper.start()
        return made[-1]

    yield start
    for each in made:
        each.keeper.stop()
        each.keeper.join(SOON_S)
        assert not each.keeper.is_alive()


def file_of(uri: str) -> Path:
    return Path(url2pathname(urlparse(uri).path))


def test_a_clip_plays_from_its_first_frame_and_covers_its_event(
    keeping: Callable[..., Kept], video: Path
) -> None:
    kept = keeping()
    feed(kept.packets, video)
    evidence = kept.of(2.0, 3.0).evidence
    assert evidence.error is None
    clip = evidence.clip
    assert clip is not None
    assert clip.covers_event
    path = file_of(clip.uri)
    assert path.name.startswith("hall_080002_moving_")
    assert clip.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert clip.size_bytes == path.stat().st_size
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        assert frames[0].key_frame
        assert frames[0].time == 0
        first, last = (brightness(f.to_ndarray(format="rgb24")) for f in (frames[0], frames[-1]))
        # From the key frame before 1.5 s up to 3.5 s.
        assert 1.5 * FPS - 10 <= first <= 1.5 * FPS + 2
        assert last == pytest.approx(3.5 * FPS, abs=2)
        assert len(frames) == pytest.approx(last - first, abs=3)
        codec = container.streams.video[0].codec_context.name
    assert codec == "h264"  # as the camera sent it


def test_the_picture_is_the_frame_that_was_looked_at_most(
    keeping: Callable[..., Kept], video: Path
) -> None:
    kept = keeping()
    feed(kept.packets, video)
    event = started(2.0, key_s=2.4)
    kept.keeper.follow(event)
    kept.keeper.follow(ended(event, 3.0))
    snapshot = kept.ready.get(timeout=SOON_S).evidence.snapshot
    assert snapshot is not None
    image = cv2.imread(str(file_of(snapshot.uri)))
    assert image is not None
    assert brightness(image) == pytest.approx(2.4 * FPS, abs=2)
    assert snapshot.sha256 == hashlib.sha256(file_of(snapshot.uri).read_bytes()).hexdigest()
    assert snapshot.at.startswith("2027-01-15T08:00:02.4")


def test_what_is_outside_of_the_region_is_grey_in_the_picture(
    keeping: Callable[..., Kept], video: Path
) -> None:
    kept = keeping(msgspec.structs.replace(HALL, region=LEFT), clip=False)
    feed(kept.packets, video)
    evidence = kept.of(2.0, 3.0).evidence
    assert evidence.clip is None
    assert evidence.snapshot is not None
    image = cv2.imread(str(file_of(evidence.snapshot.uri)))
    assert image is not None
    assert abs(image[:, 34:].astype(int) - GREY).max() <= 3
    assert abs(int(image[24, 10, 0]) - GREY) > 10
    assert sorted(p.suffix for p in file_of(evidence.snapshot.uri).parent.iterdir()) == [".jpg"]


def test_what_is_kept_is_readable_by_its_owner_alone(
    tmp_path: Path, keeping: Callable[..., Kept], video: Path
) -> None:
    kept = keeping()
    feed(kept.packets, video)
    assert kept.of(2.0, 3.0).evidence.error is None
    found = {path: path.stat().st_mode & 0o777 for path in (tmp_path / "evidence").rglob("*")}
    found[tmp_path / "evidence"] = (tmp_path / "evidence").stat().st_mode & 0o777
    assert len(found) == 4
    for path, mode in found.items():
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_the_attention_of_the_pictures_own_sample_is_drawn_over_it(
    keeping: Callable[..., Kept], video: Path
) -> None:
    kept = keeping(attention=True, clip=False)
    feed(kept.packets, video)
    for tick in range(125):
        hottest = np.zeros((4, 4), np.float32)
        # The picture of 2.4 s was looked at in its lower right corner, the others elsewhere.
        hottest[(3, 3) if tick == 60 else (0, 0)] = 1
        kept.keeper.looked("hall", at_ns(tick / FPS), hottest)
    event = started(2.0, key_s=2.4)
    kept.keeper.follow(event)
    kept.keeper.follow(ended(event, 3.0))
    snapshot = kept.ready.get(timeout=SOON_S).evidence.snapshot
    assert snapshot is not None
    assert snapshot.attention
    image = cv2.imread(str(file_of(snapshot.uri)))
    assert image is not None
    # The model sees the middle 32 of 64 px, the middle 32 of 48: corners at 16, 8 and 47, 39.
    assert int(image[36, 44].max()) > 60 + int(image[12, 20].max())
    plain = image[24, 5].astype(int)  # outside of what the model sees
    assert abs(plain - 120).max() <= 4  # grey, as the camera sent it: 2.4 s is frame 60


def test_the_attention_of_a_camera_that_zooms_is_drawn_where_it_looked(
    keeping: Callable[..., Kept], video: Path
) -> None:
    """The upper left quarter is looked at, 32x24 px, and of it the middle 16x16: from 8, 4 on."""
    camera = msgspec.structs.replace(HALL, zoom=((0.0, 0.0), (0.5, 0.5)))
    kept = keeping(camera, attention=True, clip=False)
    feed(kept.packets, video)
    hottest = np.zeros((4, 4), np.float32)
    hottest[3, 3] = 1
    for tick in range(125):
        kept.keeper.looked("hall", at_ns(tick / FPS), hottest)
    event = started(2.0)
    kept.keeper.follow(event)
    kept.keeper.revise([HALL], [rule()])  # what began before was still looked at so
    kept.keeper.follow(ended(event, 3.0))
    snapshot = kept.ready.get(timeout=SOON_S).evidence.snapshot
    assert snapshot is not None
    image = cv2.imread(str(file_of(snapshot.uri)))
    assert image is not None
    assert int(image[17, 21].max()) > 40 + int(image[7, 11].max())
    elsewhere = np.concatenate((image[28:].ravel(), image[:, 36:].ravel())).astype(int)
    assert np.ptp(elsewhere) <= 30  # as the camera sent it


def test_a_picture_whose_attention_is_gone_is_kept_without_and_says_so(
    keeping: Callable[..., Kept], video: Path
) -> None:
    kept = keeping(attention=True)
    feed(kept.packets, video)
    kept.keeper.looked("hall", at_ns(3.5), np.full((4, 4), 1 / 16, np.float32))
    evidence = kept.of(2.0, 3.0).evidence
    assert evidence.error == "where the model looked in the picture is no longer known"
    assert evidence.snapshot is not None
    assert not evidence.snapshot.attention
    assert evidence.clip is not None


def test_no_attention_is_drawn_over_a_picture_that_the_model_looked_at_later(
    keeping: Callable[..., Kept], video: Path
) -> None:
    kept = keeping(attention=True)
    feed(kept.packets, video)
    kept.keeper.looked("hall", at_ns(-0.5), np.full((4, 4), 1 / 16, np.float32))
    event = started(2.0, key_s=-0.5)  # the camera's first packet is later
    kept.keeper.follow(event)
    kept.keeper.follow(ended(event, 3.0))
    snapshot = kept.ready.get(timeout=SOON_S).evidence.snapshot
    assert snapshot is not None
    assert not snapshot.attention


@pytest.mark.parametrize("encoder", ["libx264", "mpeg4"])
def test_clip_and_picture_are_blurred_outside_of_the_region(
    tmp_path: Path, keeping: Callable[..., Kept], monkeypatch: pytest.MonkeyPatch, encoder: str
) -> None:
    monkeypatch.setattr(clip_module, "_ENCODERS", ("no such encoder", encoder))
    kept = keeping(msgspec.structs.replace(HALL, region=LEFT), blur=True)
    video = tmp_path / "a.mp4"
    feed(kept.packets, write_video(video, frames=125, drawn=bars))
    evidence = kept.of(2.0, 3.0).evidence
    assert evidence.error is None
    clip, snapshot = evidence.clip, evidence.snapshot
    assert clip is not None
    assert snapshot is not None
    assert (clip.blurred, clip.covers_event) == (True, True)
    with av.open(str(file_of(clip.uri))) as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == (
            "h264" if encoder == "libx264" else "mpeg4"
        )
        frames = list(container.decode(video=0))
    assert (frames[0].key_frame, frames[0].time) == (True, 0)
    # From the key frame before 1.5 s up to 3.5 s, at 25 a second.
    assert len(frames) == pytest.approx((3.5 - 1.2) * FPS, abs=2)
    assert frames[-1].time == pytest.approx(len(frames[1:]) / FPS, abs=0.002)
    picture = cv2.imread(str(file_of(snapshot.uri)))
    assert picture is not None
    for image in (*(frame.to_ndarray(format="rgb24") for frame in frames), picture):
        assert image[:, :28].std() > 80  # bars
        assert image[:, 38:].std() < 25  # none


@pytest.mark.parametrize("region", [None, RIGHT], ids=["lost", "another"])
def test_an_event_is_blurred_by_the_region_under_which_it_was_filmed(
    tmp_path: Path, keeping: Callable[..., Kept], region: tuple[tuple[float, float], ...] | None
) -> None:
    kept = keeping(msgspec.structs.replace(HALL, region=LEFT), blur=True)
    feed(kept.packets, write_video(tmp_path / "a.mp4", frames=125, drawn=bars))
    event = started(2.0)
    kept.keeper.follow(event)
    kept.keeper.revise([msgspec.structs.replace(HALL, region=region)], [])
    kept.keeper.follow(ended(event, 3.0, "stream_lost"))
    evidence = kept.ready.get(timeout=SOON_S).evidence
    assert evidence.clip is not None
    assert evidence.clip.blurred
    assert evidence.snapshot is not None
    with av.open(str(file_of(evidence.clip.uri))) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    for image in (*frames, cv2.imread(str(file_of(evidence.snapshot.uri)))):
        assert image is not None
        assert image[:, :28].std() > 80  # bars
        assert image[:, 38:].std() < 25  # none


def test_an_event_that_begins_under_another_region_is_blurred_by_that_one(
    tmp_path: Path, keeping: Callable[..., Kept]
) -> None:
    kept = keeping(msgspec.structs.replace(HALL, region=LEFT), blur=True, clip=False)
    feed(kept.packets, write_video(tmp_path / "a.mp4", frames=125, drawn=bars))
    kept.keeper.revise([msgspec.structs.replace(HALL, region=RIGHT)], [rule()])
    snapshot = kept.of(2.0, 3.0).evidence.snapshot
    assert snapshot is not None
    image = cv2.imread(str(file_of(snapshot.uri)))
    assert image is not None
    assert image[:, :26].std() < 25
    assert image[:, 36:].std() > 80


def test_a_camera_that_is_new_is_kept_too_with_its_attention(
    keeping: Callable[..., Kept], video: Path
) -> None:
    kept = keeping(attention=True)
    yard = msgspec.structs.replace(HALL, name="yard")
    kept.keeper.revise([HALL, yard], [rule()])
    feed(kept.keeper.packets["yard"], video)
    for tick in range(125):
        kept.keeper.looked("yard", at_ns(tick / FPS), np.full((4, 4), 1 / 16, np.float32))
    event = msgspec.structs.replace(started(2.0), camera="yard")
    kept.keeper.follow(event)
    kept.keeper.follow(ended(event, 3.0))
    evidence = kept.ready.get(timeout=SOON_S).evidence
    assert evidence.error is None
    assert evidence.snapshot is not None
    assert evidence.snapshot.attention


def test_full_range_colours_stay_what_they_are_where_nothing_is_blurred(
    tmp_path: Path, keeping: Callable[..., Kept]
) -> None:
    whole = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    kept = keeping(msgspec.structs.replace(HALL, region=whole), blur=True)
    feed(kept.packets, write_video(tmp_path / "a.mp4", frames=125, pix_fmt="yuvj420p"))
    clip = kept.of(2.0, 3.0).evidence.clip
    assert clip is not None
    with av.open(str(file_of(clip.uri))) as container:
        first = next(container.decode(video=0))
    assert brightness(first.to_ndarray(format="rgb24")) == pytest.approx(1.2 * FPS, abs=3)


def test_an_orderly_end_writes_what_there_is(keeping: Callable[..., Kept], video: Path) -> None:
    kept = keeping(post_roll_s=30.0)
    feed(kept.packets, video, packets=76)  # up to 3 s
    waiting, open_still = started(1.0), started(2.0)
    for event in (waiting, open_still):
        kept.keeper.follow(event)
    kept.keeper.follow(ended(waiting, 2.5))
    kept.is_heard = False  # nobody takes it from a queue any more
    kept.keeper.follow(ended(open_still, 2.9, "shutdown"))
    before_s = time.monotonic()
    left = {ready.event_id: ready.evidence for ready in kept.keeper.finish(SOON_S)}
    assert time.monotonic() - before_s < SOON_S
    assert set(left) == {waiting.event_id, open_still.event_id}
    for evidence in left.values():
        assert evidence.error is None
        assert evidence.clip is not None
        assert evidence.clip.covers_event
    assert not kept.keeper.is_alive()


def test_a_clip_that_ends_before_its_event_says_so(
    keeping: Callable[..., Kept], video: Path
) -> None:
    kept = keeping()
    feed(kept.packets, video, packets=76)
    event = started(1.0)
    kept.keeper.follow(event)
    kept.keeper.follow(ended(event, 4.0, "shutdown"))
    clip = kept.ready.get(timeout=SOON_S).evidence.clip
    assert clip is not None
    assert not clip.covers_event


def test_an_orderly_end_waits_for_no_long_work(
    tmp_path: Path, keeping: Callable[..., Kept], video: Path
) -> None:
    whole = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    kept = keeping(msgspec.structs.replace(HALL, region=whole), blur=True)
    feed(kept.packets, video)
    kept.is_heard = False
    event = started(2.0)
    kept.keeper.follow(event)
    kept.keeper.follow(ended(event, 3.0, "shutdown"))
    (left,) = kept.keeper.finish(0.0)
    assert left.evidence.clip is None
    assert "the daemon stopped before it was written" in (left.evidence.error or "") or (
        "there was no time left to blur it" in (left.evidence.error or "")
    )
    assert not list((tmp_path / "evidence").rglob("*.part"))
    assert not list((tmp_path / "evidence").rglob("*.mp4"))


def test_the_post_roll_is_waited_for(keeping: Callable[..., Kept], video: Path) -> None:
    kept = keeping()
    feed(kept.packets, video, packets=76)  # up to 3 s
    event = started(2.0)
    kept.keeper.follow(event)
    kept.keeper.follow(ended(event, 2.9))
    with pytest.raises(queue.Empty):
        kept.ready.get(timeout=0.7)
    feed(kept.packets, video)
    clip = kept.ready.get(timeout=SOON_S).evidence.clip
    assert clip is not None
    assert clip.covers_event


def test_a_camera_that_is_lost_is_not_waited_for(keeping: Callable[..., Kept], video: Path) -> None:
    kept = keeping(post_roll_s=30.0)
    feed(kept.packets, video)
    before_s = time.monotonic()
    clip = kept.of(2.0, 4.9, "stream_lost").evidence.clip
    assert time.monotonic() - before_s < 10
    assert clip is not None
    assert clip.covers_event


def test_a_long_event_is_cut_and_says_so(keeping: Callable[..., Kept], video: Path) -> None:
    kept = keeping(longest_s=2.0)
    feed(kept.packets, video)
    clip = kept.of(1.0, 4.0).evidence.clip
    assert clip is not None
    assert not clip.covers_event


def test_a_source_without_packets_has_no_evidence_and_says_why(
    keeping: Callable[..., Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.1)
    evidence = keeping().of(2.0, 3.0).evidence
    assert (evidence.clip, evidence.snapshot) == (None, None)
    assert evidence.error == "this source gave no encoded video of that time"


def test_the_log_is_told_once_why_a_camera_has_no_evidence(
    keeping: Callable[..., Kept],
    video: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.1)
    kept = keeping()
    words = "hall: evidence is missing: this source gave no encoded video"
    for _ in range(3):
        assert kept.of(2.0, 3.0).evidence.error is not None
    assert caplog.text.count(words) == 1
    feed(kept.packets, video)
    assert kept.of(2.0, 3.0).evidence.error is None
    assert kept.of(-90.0, -89.0).evidence.error is not None  # since it went well, news again
    assert caplog.text.count(words) == 2


def test_a_folder_that_cant_be_written_is_said_and_the_next_event_is_kept(
    tmp_path: Path, keeping: Callable[..., Kept], video: Path
) -> None:
    (tmp_path / "evidence").write_text("in the way")
    kept = keeping()
    feed(kept.packets, video)
    assert "can't be written" in (kept.of(2.0, 3.0).evidence.error or "")
    (tmp_path / "evidence").unlink()
    assert kept.of(2.0, 3.0).evidence.error is None


def test_events_of_another_daemon_or_camera_do_no_harm(
    keeping: Callable[..., Kept], video: Path
) -> None:
    kept = keeping()
    feed(kept.packets, video)
    elsewhere = msgspec.structs.replace(started(1.0), camera="gone")
    kept.keeper.follow(elsewhere)
    kept.keeper.follow(ended(elsewhere, 2.0))
    kept.keeper.follow(ended(started(1.0), 2.0, "crash"))
    assert kept.of(2.0, 3.0).evidence.error is None
    assert kept.ready.empty()


def test_a_picture_that_cant_be_kept_costs_no_clip(
    tmp_path: Path, keeping: Callable[..., Kept], video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(image: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_picture", full)
    kept = keeping()
    feed(kept.packets, video)
    evidence = kept.of(2.0, 3.0).evidence
    assert evidence.clip is not None
    assert evidence.error == "the picture can't be kept (No space left on device)"
    files = [path for path in (tmp_path / "evidence").rglob("*") if path.is_file()]
    assert [path.suffix for path in files] == [".mp4"]


def test_a_frame_that_is_long_gone_is_no_picture(keeping: Callable[..., Kept], video: Path) -> None:
    kept = keeping()
    feed(kept.packets, video)
    event = started(2.0, key_s=-30.0)
    kept.keeper.follow(event)
    kept.keeper.follow(ended(event, 3.0))
    evidence = kept.ready.get(timeout=SOON_S).evidence
    assert (evidence.snapshot, evidence.clip is None) == (None, False)
    assert "no longer there" in (evidence.error or "")


def test_a_bug_in_one_events_evidence_is_no_reason_to_keep_none_of_the_next(
    keeping: Callable[..., Kept], video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = keeping()
    feed(kept.packets, video)
    with monkeypatch.context() as broken:
        broken.setattr(module, "write_clip", lambda cut, path: 1 / 0)
        assert kept.of(2.0, 3.0).evidence.error == "a bug (ZeroDivisionError, see the log)"
    assert kept.of(2.0, 3.0).evidence.error is None


def test_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, keeping: Callable[..., Kept], video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(cut: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_clip", full)
    kept = keeping()
    feed(kept.packets, video)
    evidence = kept.of(2.0, 3.0).evidence
    assert (evidence.clip, evidence.snapshot is None) == (None, False)
    assert evidence.error == "the clip can't be kept (No space left on device)"
    assert [p.suffix for p in (tmp_path / "evidence").rglob("*") if p.is_file()] == [".jpg"]


@pytest.mark.parametrize("writer", ["write_clip", "write_picture"])
def test_a_full_disk_costs_nothing_where_old_files_are_due(
    tmp_path: Path,
    keeping: Callable[..., Kept],
    video: Path,
    monkeypatch: pytest.MonkeyPatch,
    writer: str,
) -> None:
    old = tmp_path / "evidence" / "2026-11-01" / "hall_120000_moving_01234567.mp4"
    write = getattr(module, writer)

    def full(what: object, path: Path) -> object:
        if not old.parent.exists():  # it fills just now
            old.parent.mkdir()
            old.write_bytes(b"old")
            os.utime(old, (0, 0))
        if old.exists():
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        return write(what, path)

    monkeypatch.setattr(module, writer, full)
    kept = keeping()
    feed(kept.packets, video)
    evidence = kept.of(2.0, 3.0).evidence
    assert evidence.error is None
    assert evidence.clip is not None
    assert evidence.snapshot is not None


def test_what_is_kept_fits_after_each_event(
    tmp_path: Path, keeping: Callable[..., Kept], video: Path
) -> None:
    kept = keeping(keep_bytes=8_000)  # two events, of about 3 kB each
    feed(kept.packets, video)
    for start_s in (1.0, 1.5, 2.0, 2.5, 3.0):
        last = kept.of(start_s, start_s + 0.5).evidence

    def size_bytes() -> int:
        size = 0
        for path in (tmp_path / "evidence").glob("*/*"):
            with suppress(FileNotFoundError):  # it was deleted meanwhile, as it should
                size += path.stat().st_size
        return size

    deadline_s = time.monotonic() + SOON_S
    while size_bytes() > 8_000 and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert size_bytes() <= 8_000
    assert last.clip is not None
    assert last.snapshot is not None
    assert file_of(last.clip.uri).exists()
    assert file_of(last.snapshot.uri).exists()


def test_old_files_go_then_the_oldest_until_the_rest_fits(
    tmp_path: Path, keeping: Callable[..., Kept]
) -> None:
    now_s = time.time()
    day = tmp_path / "evidence" / "2026-11-01"
    day.mkdir(parents=True)
    a, b, c, d = (f"hall_12000{n}_moving_0123456{n}.mp4" for n in range(4))
    for name, age_days, size in ((a, 20, 10), (b, 3, 400), (c, 2, 400), (d, 1, 400)):
        (day / name).write_bytes(bytes(size))
        os.utime(day / name, (now_s - age_days * 86_400,) * 2)
    (day / "theirs.mkv").write_bytes(bytes(4000))
    os.utime(day / "theirs.mkv", (0, 0))
    keeping(keep_days=14.0, keep_bytes=900)
    deadline_s = time.monotonic() + SOON_S
    while (day / b).exists() and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert sorted(path.name for path in day.iterdir()) == [c, d, "theirs.mkv"]


def test_an_mjpeg_camera_is_kept_too(tmp_path: Path, keeping: Callable[..., Kept]) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("mjpeg", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for tick in range(100):
            image = av.VideoFrame(64, 48, "yuvj420p")
            image.pts = tick
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    kept = keeping()
    feed(kept.packets, tmp_path / "a.mkv")
    clip = kept.of(1.0, 2.0).evidence.clip
    assert clip is not None
    with av.open(str(file_of(clip.uri))) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 50


def test_where_an_mp4_cant_hold_what_the_camera_sends_there_is_a_picture_and_it_is_said(
    tmp_path: Path, keeping: Callable[..., Kept]
) -> None:
    """So it is of VP8. It must not end the camera's recognition, either."""
    video = write_video(tmp_path / "a.webm", frames=100, codec="libvpx")
    kept = keeping()
    feed(kept.packets, video)
    evidence = kept.of(1.0, 2.0).evidence
    assert evidence.error == "the clip can't be kept (an MP4 can't hold vp8)"
    assert evidence.clip is None
    assert evidence.snapshot is not None
    assert not list((tmp_path / "evidence").rglob("*.mp4*"))
