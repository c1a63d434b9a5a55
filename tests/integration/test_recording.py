"""What a real daemon tells is as it is described; what was recorded of one can be developed on."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from stream.messaging.conformance import Conformance
from stream.messaging.schema import FOLDER as SCHEMAS
from stream.messaging.subscriber import Subscriber
from stream.messaging.topics import BY_KIND
from tests.integration.processes import Daemon, free_endpoint, free_port
from tests.integration.recording import HALL, SECRET, Recording, record
from tests.rtsp_server import RtspServer
from tests.stream.events.test_mqtt import MOSQUITTO, Broker, Reader
from tests.stream.events.test_webhook import Receiver

SHIPPED = Path(__file__).parents[2] / "docs" / "recording"
RULE = """
[[rule]]
name = "anything"
labels = ["class_0", "class_1", "class_2", "class_3", "class_4", "class_5"]
enter = 0.99
"""

with_broker = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")


def valid(kind: str, said: object) -> None:
    """Holds it against the schema that third parties fetch."""
    schema = json.loads((SCHEMAS / f"{kind}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(said)


def signed(headers: dict[str, str], body: bytes) -> str:
    """The signature that a post should have."""
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return f"v1,{base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()}"


def lines(name: str) -> list[Any]:
    return [json.loads(line) for line in (SHIPPED / name).read_text().splitlines()]


@pytest.fixture(scope="module")
def recording(light_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    with RtspServer() as camera:

        def camera_dies(daemon: Daemon) -> None:
            daemon.predictions(len(daemon.messages.of("prediction")) + 10, timeout_s=60)
            camera.stop()

        folder = tmp_path_factory.mktemp("recording")
        return record(camera.url, RULE, folder, "--bundle", light_bundle, began=camera_dies)


@with_broker
def test_every_message_that_a_daemon_sends_is_valid(recording: Recording) -> None:
    kinds = set()
    for topic, text, _ in recording.messages:
        kinds.add(topic.split("/")[-2])
        valid(topic.split("/")[-2], json.loads(text))
    assert kinds == BY_KIND.keys()


@with_broker
def test_and_keeps_what_is_promised(recording: Recording) -> None:
    faults: list[str] = []
    conformance = Conformance(faults.append)
    for topic, text, blobs in recording.messages:
        conformance.take(topic, text, blobs)
    assert faults == []
    assert conformance.messages > 40


@with_broker
def test_webhook_and_broker_are_told_of_the_same_valid_reports(recording: Recording) -> None:
    posted = [body for _, _, body in recording.posts]
    published = [
        payload for topic, payload, _ in recording.published if topic == f"gesta/home/{HALL}/event"
    ]
    assert posted == published
    phases = []
    for _, headers, body in recording.posts:
        valid("report", json.loads(body))
        assert headers["webhook-signature"] == signed(headers, body)
        phases.append(json.loads(body)["phase"])
    assert (phases[0], phases[-2:]) == ("start", ["end", "end"])


def test_the_shipped_recording_is_small_and_valid() -> None:
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < 120_000
    messages = [
        each for name in ("events.jsonl", "predictions.jsonl", "explain.json")
        for each in lines(name)
    ]  # fmt: skip
    for message in messages:
        valid(message["type"], message)
    assert {message["type"] for message in messages} == BY_KIND.keys()
    phases = [message["phase"] for message in messages if message["type"] == "event"]
    assert list(dict.fromkeys(phases)) == ["start", "update", "end"]


def test_the_shipped_posts_are_signed_with_the_secret_that_the_page_names() -> None:
    assert SECRET in (SHIPPED / "README.md").read_text()
    for post in lines("webhook.jsonl"):
        valid("report", json.loads(post["body"]))
        body = post["body"].encode()
        assert post["headers"]["webhook-signature"] == signed(post["headers"], body)


def play(name: str, target: str) -> subprocess.Popen[bytes]:
    """As the page says, with an interpreter that knows nothing of Gesta's folder."""
    return subprocess.Popen(
        [sys.executable, str(SHIPPED / "play.py"), str(SHIPPED / name), target], cwd="/"
    )


@pytest.mark.parametrize(("name", "blobs"), [("predictions.jsonl", 0), ("explain.json", 3)])
def test_it_plays_to_a_subscriber(name: str, blobs: int) -> None:
    faults: list[str] = []
    heard: list[list[bytes]] = []
    conformance = Conformance(faults.append)

    def take(parts: list[bytes]) -> None:
        heard.append(parts)
        conformance.take(parts[0].decode(), parts[1], parts[2:])

    endpoint, wanted = free_endpoint(), (SHIPPED / name).read_bytes().splitlines()
    subscriber = Subscriber(endpoint, overhear=take)
    player = play(name, endpoint)
    try:
        while len(heard) < len(wanted) and subscriber.receive(20) is not None:
            pass
        assert player.wait(20) == 0
    finally:
        subscriber.close()
        player.kill()
    assert [parts[1] for parts in heard] == wanted
    assert all(len(parts) == 2 + blobs for parts in heard)
    assert faults == []


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path, "allow_anonymous true")
    broker.start()
    yield broker
    broker.stop()


@with_broker
def test_it_plays_to_a_broker(broker: Broker) -> None:
    reader = Reader(broker.port)
    try:
        assert play("mqtt.jsonl", f"mqtt://127.0.0.1:{broker.port}").wait(30) == 0
        assert reader.wait_for("gesta/home/hall/swing/state", lambda payload: payload == b"ON")
        assert reader.wait_for("gesta/home/hall/snapshot").startswith(b"\xff\xd8")
        assert reader.wait_for("gesta/home/node/box/availability") == b"offline"
    finally:
        reader.close()


def test_it_plays_to_a_receiver() -> None:
    receiver = Receiver()
    try:
        assert play("webhook.jsonl", f"http://{receiver.address}/hook").wait(30) == 0
    finally:
        receiver.shutdown()
        receiver.server_close()
    assert [path for path, *_ in receiver.posts] == ["/hook"] * len(lines("webhook.jsonl"))
    for _, headers, body in receiver.posts:
        assert headers["webhook-signature"] == signed(headers, body)


def test_a_receiver_that_is_not_there_ends_the_player() -> None:
    assert play("webhook.jsonl", f"http://127.0.0.1:{free_port()}/hook").wait(30) == 1
