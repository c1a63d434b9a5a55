"""A daemon that keeps its promises has no fault; each broken promise gets a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from stream.messaging.conformance import Conformance
from stream.messaging.envelope import Envelope
from stream.messaging.messages import Heartbeat, Message, Peak, utc
from tests.stream.messaging.samples_of_messages import (
    NOON_NS,
    envelope,
    event,
    explain,
    heartbeat,
    meta,
    prediction,
    status,
)

MAP = bytes(25)
BLOBS = [b"\xff\xd8 a picture", MAP, MAP]
EVENTS = "gesta/1/home/cam0/event/"


class Judge:
    """Holds messages against what is promised, as a subscriber to all of a daemon hears them."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.conformance = Conformance(self.faults.append)
        self.sender = envelope()

    def hear(self, message: Message, blobs: list[bytes] | None = None, **changes: Any) -> None:
        kind = str(message.__struct_config__.tag)
        topic = self.sender.topic(kind, message.camera)
        changed = msgspec.structs.replace(message, **changes)
        self.conformance.take(topic, msgspec.json.encode(changed), blobs)

    def beat(self, uptime_s: float, **changes: Any) -> None:
        self.hear(heartbeat(self.sender), uptime_s=uptime_s, **changes)


@pytest.fixture
def judge() -> Judge:
    return Judge()


def looks(sender: Envelope, position_s: float) -> Message:
    """A prediction further on."""
    message = prediction(sender)
    return msgspec.structs.replace(
        message, time=msgspec.structs.replace(message.time, position_s=position_s)
    )


def life(sender: Envelope) -> list[Message]:
    """An event from its start to its evidence."""
    over = {"phase": "end", "end": utc(NOON_NS + 10**9), "end_reason": "below_exit"}
    return [
        event(sender),
        event(sender, phase="update", revision=1, sequence=2,
              peak=Peak(p=0.9, at=utc(NOON_NS))),
        event(sender, revision=2, sequence=3, peak=Peak(p=0.9, at=utc(NOON_NS)), **over),
        event(sender, revision=3, sequence=4, peak=Peak(p=0.9, at=utc(NOON_NS)), **over,
              evidence={"clip": None, "snapshot": None, "error": "no packets"}),
    ]  # fmt: skip


def test_a_whole_life_has_no_fault(judge: Judge) -> None:
    judge.hear(meta(judge.sender))
    judge.hear(status(judge.sender))
    judge.beat(0.0)
    for tick in range(3):
        judge.hear(looks(judge.sender, tick * 0.04))
    judge.hear(explain(judge.sender), BLOBS)
    for change in life(judge.sender):
        judge.hear(change)
    judge.beat(1.0)
    assert judge.faults == []
    assert judge.conformance.messages == 12


def test_a_latecomer_finds_no_fault_in_what_was_before(judge: Judge) -> None:
    _, second, third, fourth = life(judge.sender)
    early = [looks(judge.sender, 0.0), looks(judge.sender, 0.04), looks(judge.sender, 0.08)]
    judge.hear(early[1], replay=True)
    judge.hear(early[2])
    judge.hear(second, replay=True)
    judge.hear(third)
    judge.hear(third, replay=True)  # for somebody else's sake
    judge.hear(fourth)
    judge.beat(77.0)
    assert judge.faults == []


def test_another_daemon_begins_anew_and_ends_what_was_left_open(judge: Judge) -> None:
    first, *_ = life(judge.sender)
    judge.hear(first)
    judge.hear(looks(judge.sender, 4.0))
    judge.sender = envelope()  # another process, the same node
    ended = event(judge.sender, phase="end", revision=1, sequence=2, end=utc(NOON_NS),
                  end_reason="crash")  # fmt: skip
    judge.hear(ended)
    judge.hear(looks(judge.sender, 0.0))
    judge.beat(0.0)
    assert judge.faults == []


def test_a_hole_is_told_with_its_size(judge: Judge) -> None:
    heard = [looks(judge.sender, tick * 0.04) for tick in range(6)]
    for message in (heard[0], heard[2], heard[5]):
        judge.hear(message)
    topic = "gesta/1/home/cam0/prediction/"
    assert judge.faults == [
        f"{topic} seq 2: 1 message before it did not come",
        f"{topic} seq 5: 2 messages before it did not come",
    ]


def test_what_is_missing_at_the_end_shows_in_the_next_heartbeat(judge: Judge) -> None:
    judge.hear(looks(judge.sender, 0.0))
    looks(judge.sender, 0.04)  # which nobody hears
    judge.beat(0.0)
    judge.hear(looks(judge.sender, 0.08))  # and it is told once
    topic = "gesta/1/home/cam0/prediction/"
    assert judge.faults == [
        f"gesta/1/home/node/box/heartbeat/ seq 0: 1 message on {topic} did not come"
    ]


def test_a_number_that_was_used_before_is_told(judge: Judge) -> None:
    message = looks(judge.sender, 0.0)
    judge.hear(message)
    judge.hear(message)
    (fault, *_) = judge.faults
    assert "came after seq 0, and is not marked as a repetition" in fault


def test_an_id_of_two_messages_is_told(judge: Judge) -> None:
    judge.hear(looks(judge.sender, 0.0), id="same")
    judge.hear(looks(judge.sender, 0.04), id="same")
    assert judge.faults == ["gesta/1/home/cam0/prediction/ seq 1: its id same is another message's"]


@pytest.mark.parametrize(
    ("uptime_s", "said"), [(4.2, "comes 4.2 s after the one before, not 1 s"), (2.9, ""), (1.0, "")]
)
def test_a_heartbeat_that_is_late_is_told(judge: Judge, uptime_s: float, said: str) -> None:
    judge.beat(0.0)
    judge.beat(uptime_s)
    assert len(judge.faults) == bool(said)
    assert all(said in fault for fault in judge.faults)


def test_a_clock_that_was_set_back_is_told_once(judge: Judge) -> None:
    for number, at_s in enumerate((10, 7, 8)):
        judge.hear(status(judge.sender), published_at=utc(NOON_NS + at_s * 10**9))
        assert len(judge.faults) == min(number, 1)
    assert "the daemon's clock was set back" in judge.faults[0]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"stream_epoch": None}, "it has no stream_epoch"),
        ({"camera": "cam1"}, "it says of itself that it is about cam1 in home"),
        ({"site": "work"}, "it says of itself that it is about cam0 in work"),
        ({"probabilities": (0.75, 0.2)}, "its probabilities sum to 0.95"),
        ({"probabilities": (0.5, 0.25, 0.25)}, "it has 3 probabilities for 2 classes"),
        ({"probabilities": (0.7, 0.3)}, "`top` says something else than `probabilities`"),
    ],
)
def test_a_prediction_that_contradicts_itself_is_told(
    judge: Judge, changed: dict[str, Any], said: str
) -> None:
    judge.hear(meta(judge.sender))
    encoded = msgspec.to_builtins(prediction(judge.sender)) | changed
    judge.conformance.take("gesta/1/home/cam0/prediction/", msgspec.json.encode(encoded))
    assert judge.faults[0] == f"gesta/1/home/cam0/prediction/ seq 0: {said}"


def test_time_and_epochs_go_forward(judge: Judge) -> None:
    judge.hear(looks(judge.sender, 1.0))
    judge.hear(looks(judge.sender, 1.0))
    judge.hear(looks(judge.sender, 0.0), stream_epoch=2)
    judge.hear(looks(judge.sender, 5.0), stream_epoch=1)
    assert [fault.split(": ", 1)[1] for fault in judge.faults] == [
        "position_s goes from 1 to 1 in one epoch",
        "stream_epoch falls from 2 to 1",
    ]


def test_a_window_that_is_called_complete_must_be(judge: Judge) -> None:
    message = prediction(judge.sender)
    judge.hear(message, window=msgspec.structs.replace(message.window, shed=2))
    assert judge.faults[0].endswith("its window is called complete, with fill 1, 2 shed")


def test_what_the_model_saw_must_be_what_it_speaks_of(judge: Judge) -> None:
    message = prediction(judge.sender)
    judge.hear(message, modality="rgb")
    assert judge.faults[0].endswith("its modality is rgb, and `p_flow` says something else")
    top = tuple(msgspec.structs.replace(each, p_flow=None) for each in message.top)
    judge.faults.clear()
    judge.hear(prediction(judge.sender), modality="rgb", top=top, stream_epoch=9)
    assert judge.faults == []


Change = Callable[[list[Message]], list[Message]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda it: it[1:], "it is revision 1 of an event that never started"),
        (lambda it: [it[0], it[2]], "revision 2 comes after 0"),
        (lambda it: [*it[:3], it[1]], "it was over, and is told again in phase update without"),
        (lambda it: [_with(it[0], phase="end")], "it is in phase end, with end None"),
        (lambda it: [_with(it[0], phase="update")], "it is revision 0 in phase update"),
        (lambda it: [it[0], _with(it[1], rule="other")], "its rule was moving, and is other now"),
        (lambda it: [it[0], _with(it[1], peak=Peak(p=0.1, at=utc(0)))], "its peak falls from 0.75"),
        (lambda it: [it[0], _with(it[1], sequence=1)], "its sequence 1 comes after 1"),
        (lambda it: [*it[:2], _with(it[2], end=utc(0))], "it ends before it starts"),
        (lambda it: [_with(it[0], evidence={})], "it has evidence in phase start"),
    ],
)
def test_an_event_that_lives_otherwise_is_told(judge: Judge, change: Change, said: str) -> None:
    for seq, message in enumerate(change(life(judge.sender))):
        judge.hear(message, seq=seq, id=f"{seq}")
    assert any(said in fault for fault in judge.faults)
    assert all(fault.startswith(f"{EVENTS} seq ") for fault in judge.faults)


def _with(message: Message, **changes: Any) -> Message:
    return msgspec.structs.replace(message, **changes)


@pytest.mark.parametrize(
    ("blobs", "said"),
    [
        (BLOBS[:2], "it has 2 blobs, and speaks of blob 2"),
        ([b"GIF89a", MAP, MAP], "its frame is no JPEG"),
        ([BLOBS[0], MAP, MAP[1:]], "a map of 5x5 has 24 bytes"),
    ],
)
def test_blobs_are_as_they_are_described(judge: Judge, blobs: list[bytes], said: str) -> None:
    judge.hear(explain(judge.sender), blobs)
    assert judge.faults == [f"gesta/1/home/cam0/explain/ seq 0: {said}"]


@pytest.mark.parametrize(
    ("topic", "text", "said"),
    [
        ("gesta/1/home/cam0/prediction", b"{}", "this is no topic of version 1"),
        ("gesta/1/home/cam0/weather/", b"{}", "this is no topic of version 1"),
        ("gesta/1/home/cam0/status/", b"{", "Input data was truncated"),
        ("gesta/1/home/cam0/status/", b'{"type":"status"}', "missing required field `v`"),
        ("gesta/1/home/cam0/status/", b'{"type":"event"}', "Invalid value 'event' - at `$.type`"),
    ],
)
def test_what_is_not_of_this_form_is_told(judge: Judge, topic: str, text: bytes, said: str) -> None:
    judge.conformance.take(topic, text)
    (fault,) = judge.faults
    assert fault.startswith(f"{topic}: ")
    assert said in fault


def test_a_wrong_value_is_told_with_its_place(judge: Judge) -> None:
    text = msgspec.json.encode(prediction(judge.sender)).replace(b'"fill":1.0', b'"fill":1.5')
    judge.conformance.take("gesta/1/home/cam0/prediction/", text)
    assert judge.faults == [
        "gesta/1/home/cam0/prediction/: Expected `float` <= 1.0 - at `$.window.fill`"
    ]


def test_a_line_of_a_file_tells_its_topic_itself(judge: Judge) -> None:
    judge.conformance.take_line(msgspec.json.encode(status(judge.sender)), "line 1")
    judge.conformance.take_line(b'{"type": "weather"}', "line 2")
    assert judge.conformance.topics == {"gesta/1/home/cam0/status/"}
    assert len(judge.faults) == 1
    assert judge.faults[0].startswith("line 2: this is no message")


def test_a_heartbeat_that_knows_less_than_was_heard_is_told(judge: Judge) -> None:
    beat = heartbeat(judge.sender)
    judge.hear(looks(judge.sender, 0.0))
    judge.hear(looks(judge.sender, 0.04))
    assert isinstance(beat, Heartbeat)
    judge.hear(beat, last_seq={"gesta/1/home/cam0/prediction/": 0})
    assert judge.faults[0].endswith(
        "it says that gesta/1/home/cam0/prediction/ has come to seq 0, but it is at 1"
    )
