"""Events of a real daemon: told, stored, listed, and ended whatever becomes of the daemon."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import av
import cv2
import numpy as np
import pytest
import zmq

from stream.events.store import EventStore
from tests.integration.conftest import random_bundle
from tests.integration.processes import Daemon, Message, free_endpoint, gesta
from tests.rtsp_server import RtspServer
from tests.stream.events.test_webhook import Receiver

CLASSES = [f"class_{number}" for number in range(6)]  # those of the bundles drawn here


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A rule that any prediction fulfils, and a store beside it."""
    file = tmp_path / "gesta.toml"
    file.write_text(
        f'[events]\nstore = "{tmp_path / "events.sqlite"}"\n'
        f'[[rule]]\nname = "anything"\nlabels = {CLASSES}\nenter = 0.99\nseverity = "critical"\n'
    )
    return file


def stored(config: Path) -> list[Message]:
    done = gesta("events", "--config", config, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def event(daemon: Daemon, phase: str, **fields: object) -> Message:
    def found() -> Message | None:
        return next(iter(daemon.messages.of("event", phase=phase, **fields)), None)

    message: Message = daemon.wait_for(found, f"event {phase} {fields}", 60)
    return message


def test_an_event_is_told_stored_and_ended_at_a_stop(light_bundle: Path, config: Path) -> None:
    with Daemon("scene:", "--config", config, "--bundle", light_bundle) as daemon:
        start = event(daemon, "start")
        assert (start["rule"], start["severity"], start["sequence"]) == ("anything", "critical", 1)
        (row,) = stored(config)  # while the daemon runs
        assert (row["event_id"], row["end"]) == (start["event_id"], None)
        assert daemon.stop(signal.SIGTERM, timeout_s=30) == 0
        end = event(daemon, "end")
        assert (end["event_id"], end["end_reason"]) == (start["event_id"], "shutdown")
    (row,) = stored(config)
    assert (row["end_reason"], row["end"]) == ("shutdown", end["end"])


def test_a_daemon_answers_for_its_state_and_for_past_events(
    light_bundle: Path, config: Path
) -> None:
    endpoint = free_endpoint()
    with config.open("a") as file:
        file.write(f'[publish]\nanswers = "{endpoint}"\n')
    with (
        Daemon("scene:", "--config", config, "--bundle", light_bundle) as daemon,
        zmq.Context() as context,
        context.socket(zmq.REQ) as asking,
    ):
        asking.linger = 0
        asking.rcvtimeo = 20_000
        start = event(daemon, "start")
        asking.connect(endpoint)
        asking.send(b'{"get": "snapshot"}')
        kinds = {message["type"] for message in json.loads(asking.recv())["messages"]}
        assert kinds == {"meta", "status", "prediction", "event"}
        asking.send(b'{"get": "events"}')
        (first, *_) = json.loads(asking.recv())["events"]
        assert (first["event_id"], first["sequence"]) == (start["event_id"], start["sequence"])
        assert daemon.stop(signal.SIGTERM, timeout_s=30) == 0


def test_a_killed_daemons_event_is_ended_by_the_next_one(light_bundle: Path, config: Path) -> None:
    with Daemon("scene:", "--config", config, "--bundle", light_bundle) as daemon:
        first = event(daemon, "start")
        daemon.stop(signal.SIGKILL, timeout_s=30)
    assert [row["end_reason"] for row in stored(config)] == [None]
    with Daemon("scene:", "--config", config, "--bundle", light_bundle) as daemon:
        end = event(daemon, "end", event_id=first["event_id"])
        assert (end["end_reason"], end["revision"]) == ("crash", first["revision"] + 1)
        assert end["end"] >= first["start"]
        second = event(daemon, "start")
        assert second["event_id"] != first["event_id"]
        assert first["sequence"] < end["sequence"] < second["sequence"]
        daemon.stop(signal.SIGTERM, timeout_s=30)
    assert [row["end_reason"] for row in stored(config)] == ["crash", "shutdown"]


def test_every_change_reaches_a_webhook_in_order_through_kills_and_refusals(
    light_bundle: Path, config: Path, tmp_path: Path
) -> None:
    receiver = Receiver()
    with config.open("a") as file:
        file.write(f'[[webhook]]\nname = "vms"\nurl = "http://{receiver.address}/hook"\n')
    for status in (500, 204, 500):
        receiver.status = status
        with Daemon("scene:", "--config", config, "--bundle", light_bundle) as daemon:
            event(daemon, "start")
            daemon.stop(signal.SIGKILL, timeout_s=30)
    receiver.status = 204
    with Daemon("scene:", "--config", config, "--bundle", light_bundle) as daemon:
        event(daemon, "start")
        store = EventStore(tmp_path / "events.sqlite", read_only=True)
        daemon.wait_for(lambda: len(receiver.accepted) >= len(store.changes()), "every change", 60)
        assert daemon.stop(signal.SIGTERM, timeout_s=30) == 0
    changes = [(number, each.event_id, each.revision) for number, each in store.changes()]
    accepted = [json.loads(body) for body in receiver.accepted]
    heard = [(each["sequence"], each["event_id"], each["revision"]) for each in accepted]
    first_time = list(dict.fromkeys(heard))  # told twice, where a kill came between
    assert first_time == changes[: len(first_time)]
    assert set(changes) - set(heard) <= {changes[-1]}  # the last word may wait for the next start
    by_event: dict[str, list[int]] = {}
    for _, event_id, revision in changes:
        by_event.setdefault(event_id, []).append(revision)
    assert len(by_event) == 4
    assert all(revisions == list(range(len(revisions))) for revisions in by_event.values())
    assert store.open_events() == []
    store.close()
    receiver.shutdown()
    receiver.server_close()


def test_a_clip_and_a_picture_are_kept_of_a_cameras_event(
    light_bundle: Path, config: Path, tmp_path: Path
) -> None:
    with config.open("a") as file:
        file.write(f'[evidence]\nfolder = "{tmp_path / "evidence"}"\npre_roll_s = 1.0\n')
    server = RtspServer()
    with server, Daemon(server.url, "--config", config, "--bundle", light_bundle) as daemon:
        start = event(daemon, "start")
        daemon.predictions(len(daemon.messages.of("prediction")) + 10, timeout_s=60)
        server.stop()  # the camera dies, and its event ends

        def kept() -> Message | None:
            ended = daemon.messages.of("event", phase="end", event_id=start["event_id"])
            return next((message for message in ended if message["evidence"]), None)

        message = daemon.wait_for(kept, "evidence", 60)
        assert daemon.stop(signal.SIGTERM, timeout_s=30) == 0
    assert message["end_reason"] == "stream_lost"
    clip, snapshot = message["evidence"]["clip"], message["evidence"]["snapshot"]
    assert clip["covers_event"]
    assert clip["start"] <= start["start"]
    with av.open(url2pathname(urlparse(clip["uri"]).path)) as container:
        frames = list(container.decode(video=0))
    assert frames[0].key_frame
    assert len(frames) >= 10
    assert cv2.imread(url2pathname(urlparse(snapshot["uri"]).path)) is not None
    (row,) = [row for row in stored(config) if row["event_id"] == start["event_id"]]
    assert row["evidence"] == message["evidence"]


def test_what_a_stop_interrupts_is_kept_blurred_and_with_its_attention(
    light_bundle: Path, config: Path, tmp_path: Path
) -> None:
    def stripes(tick: int, size: tuple[int, int]) -> np.ndarray:
        row = ((np.arange(size[0]) + tick) // 4 % 2 * 255).astype(np.uint8)
        return np.broadcast_to(row[None, :, None], (size[1], size[0], 3)).copy()

    with RtspServer(size=(160, 120), picture=stripes) as server:
        with config.open("a") as file:
            file.write(
                f'[[camera]]\nname = "hall"\nurl = "{server.url}"\n'
                "region = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]\n"
                f'[evidence]\nfolder = "{tmp_path / "evidence"}"\n'
                "pre_roll_s = 0.5\nattention = true\nblur = true\n"
            )
        with Daemon("--config", config, "--bundle", light_bundle) as daemon:
            event(daemon, "start")
            count = len(daemon.messages.of("prediction")) + 10
            daemon.predictions(count, camera="hall", timeout_s=60)
            assert daemon.stop(signal.SIGTERM, timeout_s=30) == 0
            time.sleep(0.3)  # the last words are on their way
            *_, message = daemon.messages.of("event")
    assert message["end_reason"] == "shutdown"
    assert message["evidence"]["error"] is None
    clip, snapshot = message["evidence"]["clip"], message["evidence"]["snapshot"]
    assert clip["blurred"]
    assert snapshot["attention"]
    assert clip["covers_event"] == (
        clip["start"] <= message["start"] and clip["end"] >= message["end"]
    )
    with av.open(url2pathname(urlparse(clip["uri"]).path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) >= 10
    for frame in frames:
        assert frame[:, :75].std() > 60  # stripes
        assert frame[:, 90:].std() < 25  # none
    (row,) = stored(config)
    assert row["evidence"] == message["evidence"]


def test_attention_of_a_bundle_that_has_none_is_refused(config: Path, tmp_path: Path) -> None:
    bundle = random_bundle(
        tmp_path / "plain", seed=1, segments=2, frames_per_segment=4, sample_every=5,
        spatial_attention=False,
    )  # fmt: skip
    with config.open("a") as file:
        file.write(f'[evidence]\nfolder = "{tmp_path / "evidence"}"\nattention = true\n')
    done = gesta("run", "scene:", "--config", config, "--bundle", bundle, "--precision", "fp32")
    assert done.returncode == 2
    assert "evidence.attention: bundle 'plain' was trained without spatial attention" in done.stderr


def test_a_file_is_tried_against_rules(
    light_bundle: Path, config: Path, tmp_path: Path, clip: Path
) -> None:
    picture = tmp_path / "events.svg"
    given = ("--rules", config, "--bundle", light_bundle, "--precision", "fp32", "--json")
    done = gesta("replay", clip, *given, "--picture", picture)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["rule"] == "anything"
    assert picture.read_text().startswith("<svg")
    assert not (tmp_path / "events.sqlite").exists()


def test_what_is_wrong_gets_a_sentence(light_bundle: Path, config: Path, tmp_path: Path) -> None:
    given = ("run", "scene:", "--config", config, "--bundle", light_bundle, "--precision", "fp32")
    whole = config.read_text()
    config.write_text(whole.replace("'class_1'", "'clas_1'"))
    done = gesta(*given)
    assert done.returncode == 2
    assert (
        "rule[anything].labels: \"clas_1\" is no class of bundle 'light'; did you mean"
        in done.stderr
    )
    config.write_text(whole)
    (tmp_path / "events.sqlite").write_text(
        "no store at all, but a text that is long enough\n" * 99
    )
    done = gesta(*given)
    assert done.returncode == 5
    assert "is damaged" in done.stderr
    assert "Traceback" not in done.stderr
