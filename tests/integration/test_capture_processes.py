"""Cameras captured in other processes: the same predictions, and a daemon that outlives them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import av
import psutil
import pytest

from engine.bundle import Bundle
from tests.integration.conftest import write_clip
from tests.integration.processes import Daemon, Message, gapless
from tests.integration.test_stop import assert_stops
from tests.rtsp_server import RtspServer

RULE = """
[[rule]]
name = "any"
labels = ["{label}"]
enter = 0.02
exit = 0.01
min_duration_s = 0.1
"""


def configured(folder: Path, *cameras: str, processes: int, more: str = "") -> Path:
    """A configuration with these cameras, each as lines of TOML."""
    tables = "".join(f"[[camera]]\n{camera}\n" for camera in cameras)
    path = folder / "gesta.toml"
    path.write_text(f"capture_processes = {processes}\n{more}\n{tables}")
    return path


def children(daemon: Daemon) -> list[psutil.Process]:
    return psutil.Process(daemon.pid).children()


def told(message: Message) -> tuple[object, ...]:
    """What a prediction says of what was seen."""
    window, time_of_it = message["window"], message["time"]
    return (message["stream_epoch"], message["probabilities"], message["attention"], window,
            message["dropped"], time_of_it["clock"], message["modality"])  # fmt: skip


def test_predictions_are_those_of_the_daemons_own_threads(
    light_bundle: Path, tmp_path: Path
) -> None:
    """Of a part of the picture, in which a part is looked at."""
    clip = write_clip(tmp_path / "clip.mp4", frames=60)
    camera = (
        f'name = "hall"\nurl = "{clip}"\nrealtime = true\n'
        "zoom = [[0.1, 0.1], [0.9, 0.9]]\nregion = [[0.2, 0.2], [0.8, 0.2], [0.8, 0.8]]"
    )
    found = []
    for processes in (0, 2):
        config = configured(tmp_path, camera, processes=processes)
        with Daemon("--config", config, "--bundle", light_bundle) as daemon:
            assert daemon.wait(60) == 0
            time.sleep(0.3)  # the last words are on their way
        found.append([told(each) for each in daemon.messages.of("prediction")])
    assert len(found[0]) > 10
    assert found[0] == found[1]


def test_a_file_that_waits_for_its_reader_is_read_by_the_daemon_itself(
    light_bundle: Path, tmp_path: Path
) -> None:
    """Nothing of it is dropped, however fast it is read."""
    clip = write_clip(tmp_path / "clip.mp4", frames=100)
    config = configured(tmp_path, f'name = "hall"\nurl = "{clip}"', processes=1)
    with Daemon("--config", config, "--bundle", light_bundle) as daemon:
        assert daemon.wait(60) == 0
        time.sleep(0.3)  # the last words are on their way
    predictions = daemon.messages.of("prediction")
    assert gapless(predictions)
    assert {each["window"]["shed"] for each in predictions} == {0}
    assert {count for each in predictions for count in each["dropped"].values()} == {0}
    assert len(predictions) == 20


def test_a_process_that_dies_takes_nobody_elses_cameras_with_it(
    light_bundle: Path, tmp_path: Path
) -> None:
    with RtspServer() as hall, RtspServer() as yard:
        config = configured(
            tmp_path,
            f'name = "hall"\nurl = "{hall.url}"',
            f'name = "yard"\nurl = "{yard.url}"',
            processes=2,
        )
        with Daemon("--config", config, "--bundle", light_bundle) as daemon:
            for name in ("hall", "yard"):
                daemon.predictions(3, timeout_s=60, camera=name)
            first, second = children(daemon)
            resident = sum(each.memory_info().rss for each in (first, second))
            beat = daemon.wait_for(lambda: daemon.messages.of("heartbeat"), "heartbeat")[-1]
            assert beat["memory"]["rss_bytes"] > resident
            heard = len(daemon.messages.all)
            first.send_signal(signal.SIGSEGV)
            lost = daemon.wait_for(
                lambda: daemon.messages.of("status", state="offline"), "offline"
            )[0]
            assert lost["detail"].startswith("its capture process died of SIGSEGV; another one")
            assert lost["next_retry_s"] is not None
            name, other = (lost["camera"], {"hall": "yard", "yard": "hall"}[lost["camera"]])
            live = daemon.status("live", camera=name, after=heard)
            assert (live["stream_epoch"], live["reconnects"]) == (1, 1)
            daemon.predictions(3, camera=name, stream_epoch=1)
            of_other = daemon.messages.of("prediction", camera=other)
            assert {each["stream_epoch"] for each in of_other} == {0}
            assert gapless(of_other)
            assert second.is_running()
            assert_stops(daemon)


def test_a_camera_is_added_altered_and_taken_out(light_bundle: Path, tmp_path: Path) -> None:
    with RtspServer() as server:
        first, second = (f'name = "{name}"\nurl = "{server.url}"' for name in ("hall", "yard"))
        config = configured(tmp_path, first, processes=1)
        with Daemon("--config", config, "--bundle", light_bundle) as daemon:
            daemon.predictions(3, timeout_s=60, camera="hall")
            configured(tmp_path, first + "\nmax_gap_s = 2.0", second, processes=1)
            daemon.popen.send_signal(signal.SIGHUP)
            daemon.predictions(3, camera="yard")
            daemon.predictions(3, camera="hall", stream_epoch=1)
            heard = len(daemon.messages.all)
            configured(tmp_path, second, processes=1)
            daemon.popen.send_signal(signal.SIGHUP)
            ended = daemon.status("ended", camera="hall", after=heard)
            assert "taken out of the configuration" in ended["detail"]
            assert len(children(daemon)) == 1
            assert daemon.stop() == 0


def test_they_end_when_the_daemon_is_killed(light_bundle: Path, tmp_path: Path) -> None:
    with RtspServer() as server:
        config = configured(tmp_path, f'name = "hall"\nurl = "{server.url}"', processes=2)
        with Daemon("--config", config, "--bundle", light_bundle) as daemon:
            daemon.predictions(3, timeout_s=60)
            family = children(daemon)
            assert len(family) == 2
            os.kill(daemon.pid, signal.SIGKILL)
            _, alive = psutil.wait_procs(family, 10)
            assert not alive


@pytest.mark.timeout(240)
def test_evidence_is_kept_of_what_another_process_reads(light_bundle: Path, tmp_path: Path) -> None:
    label = Bundle.open(str(light_bundle)).manifest.classes[0]
    with RtspServer() as server:
        evidence = f'[evidence]\nfolder = "{tmp_path / "evidence"}"\npre_roll_s = 1.0\n'
        store = f'[events]\nstore = "{tmp_path / "events.sqlite"}"\n'
        config = configured(
            tmp_path,
            f'name = "hall"\nurl = "{server.url}"',
            processes=1,
            more=f"{evidence}{store}{RULE.format(label=label)}",
        )
        with Daemon("--config", config, "--bundle", light_bundle) as daemon:
            daemon.wait_for(lambda: daemon.messages.of("event", phase="start"), "event", 90)
            time.sleep(1.5)
            assert daemon.stop() == 0
            time.sleep(0.3)  # the last words are on their way
        ended = [m for m in daemon.messages.of("event", phase="end") if m["evidence"]]
    assert ended, daemon.messages.summary()
    evidence_kept = ended[-1]["evidence"]
    assert evidence_kept["error"] is None
    assert evidence_kept["clip"]["covers_event"]
    with av.open(url2pathname(urlparse(evidence_kept["clip"]["uri"]).path)) as container:
        pictures = list(container.decode(video=0))
    assert pictures[0].key_frame
    assert len(pictures) > 20
    snapshot = Path(url2pathname(urlparse(evidence_kept["snapshot"]["uri"]).path))
    assert snapshot.stat().st_size > 1000
