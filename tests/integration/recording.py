"""Everything that a daemon tells the world of one event, recorded.

    python -m tests.integration.recording docs/recording

records the files that `docs/recording` holds anew: a drawn actor who swings a golf club, over RTSP.
Needs Mosquitto.
"""

from __future__ import annotations

import base64
import json
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import zmq
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from stream.scene.scene import Scene
from tests.integration.processes import Daemon, Message, free_port
from tests.rtsp_server import Picture, RtspServer
from tests.stream.events.test_mqtt import Broker
from tests.stream.events.test_webhook import Receiver

SECRET = "whsec_Z2VzdGEgcmVjb3JkZWQgdGhpcyB3aXRoIGEga2V5Lg=="
SEED, SECONDS = 4201, 16  # of the drawn actor, who swings a golf club in the seventh
PREDICTIONS = 8  # to keep, the window's first full one in their midst
SIZE = (320, 240)
RULE = """
[[rule]]
name = "swing"
labels = ["golf", "swing_baseball"]
severity = "warning"
min_duration_s = 0.0
"""  # at once, so that the peak has yet to rise
FOLDER = Path("/tmp/gesta")  # the messages name it
HALL, YARD = "hall", "yard"

_CONFIG = """
site = "home"
node = "box"
[[camera]]
name = "{hall}"
url = "{url}"
explain = true
[[camera]]
name = "{yard}"
url = "rtsp://viewer:secret@127.0.0.1:{nobody}/stream"
[events]
store = "{folder}/events.sqlite"
[evidence]
folder = "{folder}/evidence"
pre_roll_s = 1.0
post_roll_s = 1.0
[[webhook]]
name = "vms"
url = "http://{receiver}/hook"
secret = "{secret}"
[mqtt]
host = "127.0.0.1"
port = {broker}
"""


@dataclass
class Recording:
    """What was heard, in order.

    messages: topic, json and blobs. posts: path, headers and body. published: topic, payload and
    whether it is retained.
    """

    messages: list[tuple[str, bytes, list[bytes]]] = field(default_factory=list)
    posts: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    published: list[tuple[str, bytes, bool]] = field(default_factory=list)


def record(
    url: str,
    rules: str,
    folder: Path,
    *arguments: object,
    began: Callable[[Daemon], None] = lambda daemon: None,
) -> Recording:
    """Runs a daemon on a camera, and on one that isn't there, until the camera's first event is
    over and its evidence told; then stops it.

    began: called once the event has begun.
    """
    recording = Recording()
    broker = Broker(folder, "allow_anonymous true")
    receiver = Receiver()
    config = folder / "gesta.toml"
    said = _CONFIG.format(
        hall=HALL,
        yard=YARD,
        url=url,
        nobody=free_port(),
        folder=folder,
        secret=SECRET,
        receiver=receiver.address,
        broker=broker.port,
    )
    config.write_text(said + rules)
    broker.start()
    try:
        with (
            _reader(broker.port, recording),
            Daemon("--config", config, *arguments) as daemon,
            _listener(daemon.endpoint, recording),
        ):

            def kept() -> list[Message]:
                ends = daemon.messages.of("event", phase="end")
                return [end for end in ends if end["evidence"] is not None]

            daemon.wait_for(lambda: daemon.messages.of("event"), "event", 120)
            began(daemon)
            daemon.wait_for(kept, "event with evidence", 60)
            last = kept()[0]["sequence"]
            daemon.wait_for(lambda: len(receiver.accepted) >= last, "last post", 30)
            daemon.wait_for(
                lambda: sum(topic.endswith("/event") for topic, *_ in recording.published) >= last,
                "last publication", 30,
            )  # fmt: skip
            assert daemon.stop(signal.SIGTERM, timeout_s=30) == 0
            time.sleep(1)  # for what is on its way
    finally:
        broker.stop()
        receiver.shutdown()
        receiver.server_close()
    recording.posts = receiver.posts
    return recording


@contextmanager
def _listener(endpoint: str, recording: Recording) -> Iterator[None]:
    """Hears every message, byte for byte."""
    over = threading.Event()

    def listen() -> None:
        with zmq.Context() as context, context.socket(zmq.SUB) as subscriber:
            subscriber.linger = 0
            subscriber.setsockopt(zmq.RECONNECT_IVL, 5)  # ms
            subscriber.subscribe(b"gesta/1/")
            subscriber.connect(endpoint)
            while not over.is_set():
                if subscriber.poll(100):
                    topic, message, *blobs = subscriber.recv_multipart()
                    recording.messages.append((topic.decode(), message, blobs))

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    yield
    over.set()
    thread.join(10)


@contextmanager
def _reader(port: int, recording: Recording) -> Iterator[None]:
    """Hears everything on a broker, as it was published."""
    ready = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_connect = lambda client, *rest: client.subscribe(
        "#", options=SubscribeOptions(qos=1, retainAsPublished=True)
    )
    client.on_subscribe = lambda *given: ready.set()
    client.on_message = lambda client, data, message: recording.published.append(
        (message.topic, message.payload, message.retain)
    )
    client.connect("127.0.0.1", port)
    client.loop_start()
    assert ready.wait(10)
    yield
    client.disconnect()
    client.loop_stop()


def write(recording: Recording, folder: Path) -> None:
    """Writes it as `docs/recording` holds it."""
    heard: dict[str, list[tuple[Message, bytes, list[bytes]]]] = {}
    rare = []
    for topic, text, blobs in recording.messages:
        kind = topic.split("/")[-2]
        heard.setdefault(kind, []).append((json.loads(text), text, blobs))
        if kind not in ("prediction", "explain"):
            rare.append(text)
    _write_lines(folder / "events.jsonl", rare)

    complete = [message["window"]["complete"] for message, *_ in heard["prediction"]]
    full = complete.index(True)
    some = heard["prediction"][full - PREDICTIONS // 2 : full + PREDICTIONS // 2]
    _write_lines(folder / "predictions.jsonl", [text for _, text, _ in some])

    peak_at = heard["event"][-1][0]["peak"]["at"]
    _, text, blobs = next(each for each in heard["explain"] if each[0]["capture_end"] >= peak_at)
    _write_lines(folder / "explain.json", [text])
    for number, (blob, suffix) in enumerate(zip(blobs, ("jpg", "u8", "u8"), strict=True)):
        (folder / f"explain.{number}.{suffix}").write_bytes(blob)

    posts = [
        {"path": path, "headers": headers, "body": body.decode()}
        for path, headers, body in recording.posts
    ]
    _write_lines(folder / "webhook.jsonl", [json.dumps(post).encode() for post in posts])

    published = []
    for topic, payload, retain in recording.published:
        line: dict[str, Any] = {"topic": topic, "qos": 1, "retain": retain}
        if payload.startswith(b"\xff\xd8"):
            line["payload_base64"] = base64.b64encode(payload).decode()
        else:
            line["payload"] = payload.decode()
        published.append(json.dumps(line).encode())
    _write_lines(folder / "mqtt.jsonl", published)


def _write_lines(path: Path, lines: Sequence[bytes]) -> None:
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def main() -> None:
    folder = FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    scene = Scene(SEED, *SIZE, fps=25.0)
    pictures = [frame.image for frame in islice(scene, SECONDS * 25)]

    def picture(tick: int, size: tuple[int, int]) -> Picture:
        return pictures[min(tick, len(pictures) - 1)]

    with RtspServer(size=SIZE, picture=picture, user="viewer", password="secret") as camera:
        url = camera.url_with("viewer:secret")
        recording = record(url, RULE, folder, "--bundle", "default")
    write(recording, Path(sys.argv[1]))
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
