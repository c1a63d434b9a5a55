"""A thousand events with kills, full disks, lost cameras, and receivers that refuse, are silent or
are down: none is lost.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from stream.events.outbox import Outbox
from stream.events.store import EventStore
from tests.stream.events.test_mqtt import MOSQUITTO, Broker
from tests.stream.events.test_webhook import Receiver

ROOT = Path(__file__).parents[2]
EVENTS = 1000
KILLS = 12
SINKS = ("webhook:vms", "mqtt")

Heard = tuple[int, str, int, str]  # sequence, event, revision, camera


class Subscriber:
    """Hears every event on a broker, those of its own absence too."""

    def __init__(self, port: int) -> None:
        self.heard: list[Heard] = []
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id="desk", clean_session=False
        )
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = lambda client, *rest: client.subscribe("gesta/+/+/event", qos=1)
        self.client.on_message = lambda client, data, message: self.heard.append(
            change(message.payload)
        )
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def change(body: bytes) -> Heard:
    told: dict[str, Any] = json.loads(body)
    return told["sequence"], told["event_id"], told["revision"], told["camera"]


@pytest.mark.timeout(900)
def test_every_event_reaches_its_receivers_whatever_happens(tmp_path: Path) -> None:
    path, receiver, draw = tmp_path / "events.sqlite", Receiver(), random.Random(1)
    broker, subscriber, sinks = None, None, SINKS[:1]
    if MOSQUITTO is not None:
        kept = tmp_path / "broker"
        kept.mkdir()
        broker = Broker(
            tmp_path,
            *("allow_anonymous true", "persistence true", f"persistence_location {kept}/"),
            "max_queued_messages 0",
        )
        broker.start()
        subscriber, sinks = Subscriber(broker.port), SINKS
    else:
        sys.stdout.write("no Mosquitto here: the webhook alone is tried\n")
    over = threading.Event()
    troubles = [threading.Thread(target=_trouble_webhook, args=(receiver, over, random.Random(2)))]
    if broker is not None:
        troubles.append(
            threading.Thread(target=_trouble_broker, args=(broker, over, random.Random(3)))
        )
    EventStore(path).close()
    for sink in sinks:
        Outbox(path, sink).close()  # it hears from the first event on
    for trouble in troubles:
        trouble.start()
    port = 0 if broker is None else broker.port
    first = kills = 0
    while first < EVENTS:
        with _storm(path, receiver, port, first) as storm:
            killed_at = first + draw.randrange(20, 140) if kills < KILLS else EVENTS
            assert storm.stdout is not None
            for line in storm.stdout:
                first = int(line) + 1
                if first >= killed_at and storm.poll() is None:  # it goes on until that arrives
                    killed_at = EVENTS + 1
                    time.sleep(draw.uniform(0, 0.01))
                    storm.kill()
                    kills += 1
    over.set()
    for trouble in troubles:
        trouble.join()
    receiver.status = 204
    receiver.answers.set()
    _finish(path, receiver, port, sinks)

    store = EventStore(path, read_only=True)
    changes = [
        (number, change.event_id, change.revision, change.camera)
        for number, change in _all_changes(store)
    ]
    events = list(store.events())
    assert store.open_events() == []
    store.close()
    heard = {"webhook:vms": [change(body) for body in receiver.accepted]}
    receiver.shutdown()
    receiver.server_close()
    if broker is not None and subscriber is not None:
        _wait_for(lambda: set(changes) <= set(subscriber.heard))
        heard["mqtt"] = subscriber.heard
        subscriber.close()
        broker.stop()

    assert kills >= KILLS - 3
    # A kill may cut an event in two, and what a full disk holds back is lost with the process.
    assert 0.9 * EVENTS <= len(events) <= EVENTS + kills
    reasons = [each.end_reason for each in events]
    assert set(reasons) == {"below_exit", "crash", "stream_lost"}
    assert set(heard) == set(sinks)
    for told in heard.values():
        assert set(told) == set(changes)  # each arrived, and nothing else did
        # For the first time in order, so per camera too.
        assert list(dict.fromkeys(told)) == changes
    last: dict[str, int] = {}
    for _, event_id, revision, _ in changes:
        assert revision == last.get(event_id, -1) + 1
        last[event_id] = revision
    keys = {(post[1]["webhook-id"], json.loads(post[2])["sequence"]) for post in receiver.posts}
    assert len({key for key, _ in keys}) == len(keys)  # what was told twice has the same key
    again = {name: len(told) - len(changes) for name, told in heard.items()}
    ends = {reason: reasons.count(reason) for reason in sorted(set(map(str, reasons)))}
    sys.stdout.write(
        f"{len(events)} events (ended: {ends}), {len(changes)} changes, {kills} kills, "
        f"{len(receiver.posts)} posts, told again: {again}\n"
    )


def _storm(path: Path, receiver: Receiver, port: int, first: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.event_storm", str(path),
         f"http://{receiver.address}/", str(port), str(first), str(EVENTS)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def _trouble_webhook(receiver: Receiver, over: threading.Event, draw: random.Random) -> None:
    while not over.wait(draw.uniform(0.05, 0.4)):
        receiver.status = draw.choice((204, 204, 204, 500, 503, 302))
        if draw.random() < 0.2:
            receiver.answers.clear()  # it hangs
        else:
            receiver.answers.set()


def _trouble_broker(broker: Broker, over: threading.Event, draw: random.Random) -> None:
    while not over.wait(draw.uniform(2.0, 6.0)):
        broker.stop()
        over.wait(draw.uniform(0.5, 3.0))
        broker.start()


def _finish(path: Path, receiver: Receiver, port: int, sinks: tuple[str, ...]) -> None:
    """Last, undisturbed starts, until nothing waits any more."""
    outboxes = [Outbox(path, sink) for sink in sinks]

    def waits() -> bool:
        return any(outbox.waiting(1) for outbox in outboxes)

    deadline_s = time.monotonic() + 240
    while waits() and time.monotonic() < deadline_s:
        with _storm(path, receiver, port, EVENTS):
            pass  # plays nothing more, ends what is open and tells what waits, for half a second
    assert not waits()
    for outbox in outboxes:
        outbox.close()


def _wait_for(condition: Any, within_s: float = 60.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not condition() and time.monotonic() < deadline_s:
        time.sleep(0.1)


def _all_changes(store: EventStore) -> list:  # type: ignore[type-arg]
    found, after = [], 0
    while portion := store.changes(after):
        found += portion
        after = portion[-1][0]
    return found
