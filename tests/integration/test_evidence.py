"""Clips of fifty events of one camera: `make soak`, on a machine that can hold it."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import av
import pytest

from engine.bundle import Bundle
from stream.scene.scene import Scene
from tests.integration.processes import Daemon, Message
from tests.rtsp_server import Picture, RtspServer

EVENTS = 50
WITHIN_S = 1500.0


class Stage:
    """A drawn actor before the camera, whose actions begin and end."""

    def __init__(self, seed: int, size: tuple[int, int]) -> None:
        self._frames = iter(Scene(seed, *size))
        self._lock = threading.Lock()

    def __call__(self, tick: int, size: tuple[int, int]) -> Picture:
        with self._lock:
            return next(self._frames).image.copy()


@pytest.mark.soak
@pytest.mark.skipif(
    float(os.environ.get("GESTA_SOAK_S", "0")) < 600, reason="takes ten minutes: make soak"
)
@pytest.mark.timeout(WITHIN_S + 300)
def test_every_clip_plays_from_its_first_frame_and_covers_its_event(tmp_path: Path) -> None:
    labels = [label for label in Bundle.open("default").manifest.classes if label != "idle"]
    config = tmp_path / "gesta.toml"
    config.write_text(
        f'[events]\nstore = "{tmp_path / "events.sqlite"}"\n'
        f'[evidence]\nfolder = "{tmp_path / "evidence"}"\npre_roll_s = 1.0\npost_roll_s = 1.0\n'
        f'[[rule]]\nname = "any"\nlabels = {labels}\nenter = 0.6\nmin_duration_s = 0.2\n'
        "merge_gap_s = 0.4\n"
    )
    size = (320, 240)

    with (
        RtspServer(size=size, picture=Stage(1_600_042, size)) as server,
        Daemon(server.url, "--config", config, "--bundle", "default") as daemon,
    ):

        def kept() -> list[Message]:
            found = [m for m in daemon.messages.of("event", phase="end") if m["evidence"]]
            return found if len(found) >= EVENTS else []

        messages = daemon.wait_for(kept, f"{EVENTS} events with evidence", WITHIN_S)
        assert daemon.stop(timeout_s=30) == 0

    frames = size_bytes = 0
    for message in messages:
        clip = message["evidence"]["clip"]
        assert clip is not None, message["evidence"]
        assert clip["covers_event"]
        assert clip["start"] <= message["start"] <= message["end"] <= clip["end"]
        path = Path(url2pathname(urlparse(clip["uri"]).path))
        assert hashlib.sha256(path.read_bytes()).hexdigest() == clip["sha256"]
        with av.open(str(path)) as container:
            pictures = list(container.decode(video=0))
        assert pictures[0].key_frame
        assert not any(picture.is_corrupt for picture in pictures)
        length_s = (pictures[-1].time or 0.0) - (pictures[0].time or 0.0)
        assert len(pictures) == pytest.approx(25 * length_s, abs=2)  # none is missing
        frames += len(pictures)
        size_bytes += clip["size_bytes"]
    sys.stdout.write(
        f"{len(messages)} clips, {frames} pictures, {size_bytes / 1e6:.1f} MB: each plays from its "
        "first picture and covers its event\n"
    )
