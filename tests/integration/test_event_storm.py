"""A thousand events with kills, refusals, silence and a receiver that is down: none is lost."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from stream.events.outbox import Outbox
from stream.events.store import EventStore
from tests.stream.events.test_webhook import Receiver

ROOT = Path(__file__).parents[2]
EVENTS = 1000
KILLS = 12


@pytest.mark.timeout(600)
def test_every_event_reaches_its_receiver_whatever_happens(tmp_path: Path) -> None:
    path, receiver, draw = tmp_path / "events.sqlite", Receiver(), random.Random(1)
    over = threading.Event()
    trouble = threading.Thread(target=_make_trouble, args=(receiver, over, random.Random(2)))
    trouble.start()
    EventStore(path).close()
    Outbox(path, "webhook:vms").close()  # it hears from the first event on
    first = kills = 0
    while first < EVENTS:
        with _storm(path, receiver, first) as storm:
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
    trouble.join()
    receiver.status = 204
    receiver.answers.set()
    _finish(path, receiver)

    store = EventStore(path, read_only=True)
    changes = [
        (number, change.event_id, change.revision, change.camera)
        for number, change in _all_changes(store)
    ]
    events = list(store.events())
    assert store.open_events() == []
    store.close()
    accepted = [json.loads(body) for body in receiver.accepted]
    heard = [(m["sequence"], m["event_id"], m["revision"], m["camera"]) for m in accepted]
    receiver.shutdown()
    receiver.server_close()

    assert kills >= KILLS - 3
    assert EVENTS <= len(events) <= EVENTS + kills  # a kill may cut an event in two
    assert {each.end_reason for each in events} <= {"below_exit", "crash"}
    assert set(heard) == set(changes)  # each arrived, and nothing else did
    assert list(dict.fromkeys(heard)) == changes  # for the first time in order, so per camera too
    told = {}
    for _, event_id, revision, _ in changes:
        assert revision == told.get(event_id, -1) + 1
        told[event_id] = revision
    keys = {(post[1]["webhook-id"], json.loads(post[2])["sequence"]) for post in receiver.posts}
    assert len({key for key, _ in keys}) == len(keys)  # what was told twice has the same key
    sys.stdout.write(
        f"{len(events)} events, {len(changes)} changes, {kills} kills, "
        f"{len(receiver.posts)} posts, {len(heard) - len(changes)} told again\n"
    )


def _storm(path: Path, receiver: Receiver, first: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.event_storm", str(path),
         f"http://{receiver.address}/", str(first), str(EVENTS)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def _make_trouble(receiver: Receiver, over: threading.Event, draw: random.Random) -> None:
    while not over.wait(draw.uniform(0.05, 0.4)):
        receiver.status = draw.choice((204, 204, 204, 500, 503, 302))
        if draw.random() < 0.2:
            receiver.answers.clear()  # it hangs
        else:
            receiver.answers.set()


def _finish(path: Path, receiver: Receiver) -> None:
    """A last, undisturbed start, until nothing waits any more."""
    outbox = Outbox(path, "webhook:vms")
    deadline_s = time.monotonic() + 120
    while outbox.waiting(1) and time.monotonic() < deadline_s:
        with _storm(path, receiver, EVENTS):
            pass  # plays nothing more, ends what is open and tells what waits, for half a second
    assert outbox.waiting(1) == []
    outbox.close()


def _all_changes(store: EventStore) -> list:  # type: ignore[type-arg]
    found, after = [], 0
    while portion := store.changes(after):
        found += portion
        after = portion[-1][0]
    return found
