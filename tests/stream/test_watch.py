"""`gesta watch` as a process, beside a real publisher."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from stream.messaging.keys import KeyFolder
from stream.messaging.publisher import Publisher
from tests.stream.messaging.samples_of_messages import (
    envelope,
    heartbeat,
    meta,
    prediction,
    status,
)

SOON_S = 20


@pytest.fixture
def publisher():
    made = Publisher("tcp://127.0.0.1:*")
    yield made
    made.close(orderly=False)


@pytest.fixture
def watch():
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "stream.cli", "watch", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def serve(publisher, for_s):
    deadline_s = time.monotonic() + for_s
    while time.monotonic() < deadline_s:
        publisher.serve()
        time.sleep(0.01)


def test_json_is_one_message_a_line_as_it_was_sent(publisher, watch):
    sender = envelope()
    process = watch(publisher.endpoint, "--json", "--topic", "gesta/1/home/cam0/")
    sent = prediction(sender)
    publisher.send(sent)
    serve(publisher, 0.1)
    os.set_blocking(process.stdout.fileno(), False)
    deadline_s = time.monotonic() + SOON_S
    out = b""
    while out.count(b"\n") < 3 and time.monotonic() < deadline_s:
        publisher.send(heartbeat(sender))  # not asked for, and so not shown
        publisher.send(prediction(sender))
        publisher.send(prediction(sender, "cam1"))
        serve(publisher, 0.1)
        out += process.stdout.read() or b""
    lines = [json.loads(line) for line in out.splitlines()[:3]]
    assert [(line["type"], line["camera"]) for line in lines] == [("prediction", "cam0")] * 3
    process.send_signal(signal.SIGINT)
    assert process.wait(SOON_S) == 0


def test_a_reader_that_goes_away_ends_it_quietly(publisher, watch):
    sender = envelope()
    process = watch(publisher.endpoint, "--json")
    deadline_s = time.monotonic() + SOON_S
    publisher.send(meta(sender))
    os.set_blocking(process.stdout.fileno(), False)
    while not process.stdout.read() and time.monotonic() < deadline_s:
        serve(publisher, 0.05)
    process.stdout.close()
    while process.poll() is None and time.monotonic() < deadline_s:
        publisher.send(status(sender))
        serve(publisher, 0.05)
    assert process.returncode == 0
    assert process.stderr.read() == b""
    process.stdout = None


def test_without_a_terminal_it_prints_a_line_a_camera(publisher, watch):
    sender = envelope()
    process = watch(publisher.endpoint)
    os.set_blocking(process.stdout.fileno(), False)
    out, deadline_s = b"", time.monotonic() + SOON_S
    while out.count(b"\n") < 2 and time.monotonic() < deadline_s:
        publisher.send(status(sender))
        publisher.send(prediction(sender))
        serve(publisher, 0.1)
        out += process.stdout.read() or b""
    assert b"cam0 live: walk 0.75, idle 0.25 | window 100%" in out
    process.send_signal(signal.SIGTERM)
    assert process.wait(SOON_S) == 0


def test_nobody_there_is_said_and_waited_for(watch):
    process = watch("tcp://127.0.0.1:9")
    assert process.stderr.readline() == b"gesta: waiting for tcp://127.0.0.1:9\n"
    assert process.stderr.readline().startswith(
        b"gesta: waiting for tcp://127.0.0.1:9: nobody answers there; no daemon publishes yet"
    )
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(SOON_S) == 0


def test_that_a_key_is_asked_for_is_said_and_the_daemon_waited_for(watch, tmp_path):
    guarded = Publisher("tcp://127.0.0.1:*", keys=KeyFolder(tmp_path / "keys"))
    endpoint = guarded.endpoint
    process = watch(endpoint, "--json")
    assert process.stderr.readline().decode() == f"gesta: waiting for {endpoint}\n"
    said = process.stderr.readline().decode()
    assert said.startswith(f"gesta: waiting for {endpoint}: ")
    assert "asks for a key" in said
    assert "say --key FILE" in said
    guarded.close(orderly=False)
    publisher = Publisher(endpoint)  # started anew, without keys
    os.set_blocking(process.stdout.fileno(), False)
    deadline_s, out = time.monotonic() + SOON_S, None
    while not out and time.monotonic() < deadline_s:
        publisher.send(heartbeat(envelope()))
        serve(publisher, 0.1)
        out = process.stdout.read()
    publisher.close(orderly=False)
    assert out
    process.send_signal(signal.SIGINT)
    assert process.wait(SOON_S) == 0


def test_what_is_no_endpoint_is_a_sentence(watch):
    process = watch("nonsense")
    assert process.wait(SOON_S) == 2
    assert process.stderr.read().decode().startswith("gesta: 'nonsense' is no endpoint")
