"""Asking a daemon for its state and past events, over a real socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from stream.errors import PublishError, StoreError
from stream.events.store import EventStore
from stream.messaging.answers import Answers
from stream.messaging.envelope import Envelope
from stream.messaging.messages import Message
from tests.stream.events.test_store import event
from tests.stream.messaging.samples_of_messages import meta, prediction, status

SOON_MS = 5000


class Asker:
    """Serves the answers while it waits for one: in a daemon they share the main thread."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.connect(answers.endpoint)

    def ask(self, request: object) -> dict[str, Any]:
        text = request if isinstance(request, bytes) else json.dumps(request).encode()
        self._socket.send_multipart([b"", text])
        for _ in range(SOON_MS // 10):
            self._answers.serve()
            if self._socket.poll(10):
                found: dict[str, Any] = json.loads(self._socket.recv_multipart()[-1])
                return found
        raise AssertionError("no answer came")

    def close(self) -> None:
        self._socket.close(linger=0)
        self._context.term()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    store = EventStore(tmp_path / "events.sqlite")
    yield store
    store.close()


@pytest.fixture
def answers(store: EventStore) -> Iterator[Answers]:
    sender = Envelope("home", "box")
    told: list[Message] = [meta(sender), status(sender), prediction(sender)]
    answers = Answers("tcp://127.0.0.1:*", node="box", retained=lambda: told, changes=store.changes)
    yield answers
    answers.close()


@pytest.fixture
def asker(answers: Answers) -> Iterator[Asker]:
    asker = Asker(answers)
    yield asker
    asker.close()


def test_a_snapshot_is_what_a_late_subscriber_gets(asker: Asker) -> None:
    messages = asker.ask({"get": "snapshot"})["messages"]
    assert [message["type"] for message in messages] == ["meta", "status", "prediction"]
    assert all(message["replay"] for message in messages)


def test_events_come_after_a_number_and_in_portions(asker: Asker, store: EventStore) -> None:
    assert asker.ask({"get": "events"}) == {"v": 1, "events": [], "newest": 0}
    store.write([event(float(second)) for second in range(5)])
    first = asker.ask({"get": "events", "limit": 3})
    assert [each["sequence"] for each in first["events"]] == [1, 2, 3]
    assert (first["newest"], first["events"][0]["camera"]) == (3, "hall")
    rest = asker.ask({"get": "events", "after": first["newest"]})
    assert [each["sequence"] for each in rest["events"]] == [4, 5]
    assert asker.ask({"get": "events", "after": 5}) == {"v": 1, "events": [], "newest": 5}


@pytest.mark.parametrize(
    "request_",
    [b"", b"no json", b"[]", {"get": "everything"}, {"get": "events", "after": -1},
     {"get": "events", "limit": 10_000}, {"get": "events", "after": 1 << 63},
     b'{"get": "events", "after": 1e400}', b"\xff\xfe"],
)  # fmt: skip
def test_what_cant_be_answered_gets_a_sentence_and_the_next_one_its_answer(
    asker: Asker, request_: object
) -> None:
    assert asker.ask(request_)["error"]
    assert asker.ask({"get": "events"})["events"] == []


def test_a_store_that_cant_be_read_is_said() -> None:
    def broken(after: int, limit: int) -> list[Any]:
        raise StoreError("the event store is damaged")

    answers = Answers("tcp://127.0.0.1:*", node="box", retained=list, changes=broken)
    asker = Asker(answers)
    assert asker.ask({"get": "events"})["error"] == "the event store is damaged"
    asker.close()
    answers.close()


def test_no_question_ends_the_daemon(caplog: pytest.LogCaptureFixture) -> None:
    answers = Answers(
        "tcp://127.0.0.1:*", node="box", retained=list, changes=lambda after, limit: 1 / 0
    )  # type: ignore[arg-type,return-value]
    asker = Asker(answers)
    assert asker.ask({"get": "events"})["error"] == "a bug, see the log"
    assert asker.ask({"get": "snapshot"})["messages"] == []
    assert "ZeroDivisionError" in caplog.text
    asker.close()
    answers.close()


def test_a_flood_or_an_asker_who_never_reads_takes_a_bounded_time(
    answers: Answers, asker: Asker
) -> None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as rude:
        rude.linger = 0
        rude.connect(answers.endpoint)
        for _ in range(5000):
            rude.send_multipart([b"", b'{"get": "snapshot"}'])
        assert asker.ask({"get": "events"})["v"] == 1


def test_others_can_not_be_let_in_by_accident(answers: Answers) -> None:
    given: dict[str, Any] = {"node": "box", "retained": list, "changes": lambda after, limit: []}
    with pytest.raises(PublishError, match="--insecure"):
        Answers("tcp://0.0.0.0:0", **given)
    with pytest.raises(PublishError, match="is in use"):
        Answers(answers.endpoint, **given)
