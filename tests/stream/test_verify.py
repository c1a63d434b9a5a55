"""`gesta verify` as a user runs it: on files, and on endpoints where all is well, or nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from stream.errors import ConfigError
from stream.messaging.publisher import Publisher
from stream.verify import verify
from tests.stream.messaging.samples_of_messages import envelope, heartbeat, meta, prediction

RECORDING = Path(__file__).parents[2] / "docs" / "recording"


@pytest.mark.parametrize(
    ("name", "heard"),
    [
        ("events.jsonl", "messages on 5 topics"),
        ("predictions.jsonl", "8 messages on 1 topic"),
        ("explain.json", "1 message on 1 topic"),
    ],
)
def test_the_recording_is_as_promised(
    name: str, heard: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(str(RECORDING / name), listen_s=0) == 0
    said = capsys.readouterr().out
    assert heard in said
    assert said.endswith(": all as promised\n")


def test_a_line_that_was_lost_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (RECORDING / "predictions.jsonl").read_bytes().splitlines(keepends=True)
    file = tmp_path / "heard.jsonl"
    file.write_bytes(b"".join(lines[:3] + lines[4:]))
    assert verify(str(file), listen_s=0) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith("1 message before it did not come")
    assert said[1] == f"7 messages on 1 topic in {file}: 1 fault"


def test_an_empty_file_proves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "heard.jsonl"
    file.touch()
    assert verify(str(file), listen_s=0) == 1
    assert "there is no message in" in capsys.readouterr().out


@pytest.mark.parametrize("target", ["no.jsonl", "."])
def test_what_is_no_file_is_a_sentence(target: str) -> None:
    with pytest.raises(ConfigError, match=r"can't be read .*; give a file of gesta watch --json"):
        verify(target, listen_s=0)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_a_time_that_is_none_is_a_sentence(seconds: float) -> None:
    with pytest.raises(ConfigError, match="--seconds: must be a number of seconds"):
        verify("tcp://127.0.0.1:5599", listen_s=seconds)


class Sending:
    """Publishes a heartbeat and a prediction now and then; with a hole where it is asked for."""

    def __init__(self, *, with_holes: bool, beats: bool = True) -> None:
        self.endpoint = ""
        self._with_holes, self._beats = with_holes, beats
        self._ready, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> Sending:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *given: object) -> None:
        self._over.set()
        self._thread.join(10)

    def _send(self) -> None:
        publisher, sender, tick = Publisher("tcp://127.0.0.1:*"), envelope(), 0
        self.endpoint = publisher.endpoint
        self._ready.set()
        publisher.send(meta(sender))
        while not self._over.wait(0.05):
            publisher.serve()
            message = prediction(sender)
            time = msgspec.structs.replace(message.time, position_s=tick * 0.04)
            if not (self._with_holes and tick % 5 == 4):
                publisher.send(msgspec.structs.replace(message, time=time))
            if self._beats:
                publisher.send(msgspec.structs.replace(heartbeat(sender), uptime_s=tick * 0.05))
            tick += 1
        publisher.close(orderly=False)


@pytest.fixture
def sound() -> Iterator[Sending]:
    with Sending(with_holes=False) as sending:
        yield sending


def test_a_daemon_that_keeps_its_word(sound: Sending, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(sound.endpoint, listen_s=1.0) == 0
    said = capsys.readouterr().out
    assert "messages on 3 topics in 1 s: all as promised" in said


def test_one_that_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    with Sending(with_holes=True) as sending:
        assert verify(sending.endpoint, listen_s=1.5) == 1
    assert "gesta/1/home/cam0/prediction/ did not come" in capsys.readouterr().out


def test_one_whose_heart_does_not_beat(capsys: pytest.CaptureFixture[str]) -> None:
    with Sending(with_holes=False, beats=False) as sending:
        assert verify(sending.endpoint, listen_s=1.0) == 1
    assert f"no heartbeat came from {sending.endpoint}" in capsys.readouterr().out


def test_ctrl_c_is_the_end_of_listening(
    sound: Sending, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from stream.messaging.subscriber import Subscriber

    receive, calls = Subscriber.receive, iter(range(20))

    def interrupted(self: Subscriber, timeout_s: float) -> object:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return receive(self, timeout_s)

    monkeypatch.setattr(Subscriber, "receive", interrupted)
    assert verify(sound.endpoint, listen_s=0) == 0
    assert "all as promised" in capsys.readouterr().out
