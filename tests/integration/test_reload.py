"""A new configuration for a daemon that runs, as its file or a signal brings it."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.processes import Daemon, free_port, gapless
from tests.integration.test_operations import Operator, wait_until
from tests.stream.events.test_mqtt import MOSQUITTO, Broker, Reader

HALL = '[[camera]]\nname = "hall"\nurl = "scene:?seed=1"\n'
YARD = '[[camera]]\nname = "yard"\nurl = "scene:?seed=2"\n'
ATTIC = '[[camera]]\nname = "attic"\nurl = "scene:?seed=3"\n'


class File:
    """The daemon's configuration."""

    def __init__(self, path: Path, http_port: int) -> None:
        self.path = path
        labels = [f"class_{number}" for number in range(6)]
        self.head = (
            f'[http]\nbind = "127.0.0.1:{http_port}"\n'
            f'[events]\nstore = "{path.parent / "events.sqlite"}"\n'
        )
        self.rule = f'[[rule]]\nname = "any"\nlabels = {labels}\nenter = 0.99\n'

    def write(self, *parts: str) -> None:
        """As an editor does it: a new file in the old one's place."""
        new = self.path.with_suffix(".new")
        new.write_text(self.head + "".join(parts))
        new.replace(self.path)


@pytest.fixture
def operator() -> Operator:
    return Operator(free_port())


@pytest.fixture
def file(tmp_path: Path, operator: Operator) -> File:
    return File(tmp_path / "gesta.toml", operator.port)


@pytest.fixture
def daemon(light_bundle: Path, file: File) -> Iterator[Daemon]:
    file.write(HALL, YARD)
    with Daemon("--config", file.path, "--bundle", light_bundle) as running:
        for camera in ("hall", "yard"):
            running.predictions(5, camera=camera, timeout_s=60)
        yield running


def test_cameras_come_change_and_go_and_another_notices_nothing(
    daemon: Daemon, file: File, operator: Operator
) -> None:
    # It begins without a rule; the first one brings the store, and events.
    file.write(HALL, YARD.replace("seed=2", "seed=4"), ATTIC, file.rule)
    daemon.predictions(3, camera="attic", timeout_s=60)
    daemon.predictions(3, camera="yard", stream_epoch=1, timeout_s=60)
    began = daemon.wait_for(lambda: daemon.messages.of("event", "hall", phase="start"), "an event")
    assert began[0]["rule"] == "any"

    file.write(HALL, file.rule.replace("0.99", "0.98"))
    ended = daemon.status("ended", camera="attic")
    assert "taken out of the configuration" in ended["detail"]
    over = daemon.wait_for(lambda: daemon.messages.of("event", "hall", phase="end"), "its end")
    assert over[0]["event_id"] == began[0]["event_id"]
    assert over[0]["end_reason"] == "disabled"
    daemon.wait_for(lambda: len(daemon.messages.of("event", "hall", phase="start")) == 2, "another")

    heard = len(daemon.messages.of("prediction", "hall"))
    daemon.predictions(heard + 5, camera="hall")
    wait_until(
        lambda: 'gesta_predictions_total{camera="attic"}' not in operator.metrics(),
        "metrics without the attic",
        daemon,
    )
    hall = daemon.messages.of("prediction", "hall")
    assert gapless(hall)
    assert {prediction["stream_epoch"] for prediction in hall} == {0}
    metas = daemon.messages.of("meta")
    assert [sorted(c["camera"] for c in m["cameras"]) for m in metas] == [
        ["hall", "yard"],
        ["attic", "hall", "yard"],
        ["hall"],
    ]
    assert daemon.stop() == 0
    assert "Traceback" not in daemon.stderr


def test_a_bad_file_is_refused_whole_and_the_next_is_taken(
    daemon: Daemon, file: File, operator: Operator
) -> None:
    taken = "gesta_config_last_reload_successful"
    wait_until(lambda: operator.status("/readyz") == 200, "readiness", daemon)
    assert operator.metrics()[taken] == 1
    file.write(HALL, ATTIC, file.rule.replace("class_5", "clas_5"))
    daemon.popen.send_signal(signal.SIGHUP)
    wait_until(lambda: operator.metrics()[taken] == 0, "refusal", daemon)
    assert 'rule[any].labels: "clas_5"' in daemon.stderr
    assert 'did you mean "class_5"?' in daemon.stderr
    heard = len(daemon.messages.of("prediction", "yard"))
    daemon.predictions(heard + 5, camera="yard")
    assert not daemon.messages.of("status", "attic")

    file.write(HALL, YARD, ATTIC)
    daemon.popen.send_signal(signal.SIGHUP)
    asked_s = time.monotonic()
    daemon.predictions(1, camera="attic", timeout_s=60)
    assert time.monotonic() - asked_s < 30
    wait_until(lambda: operator.metrics()[taken] == 1, "acceptance", daemon)
    for camera in ("hall", "yard"):
        assert gapless(daemon.messages.of("prediction", camera))
    assert daemon.stop() == 0


@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
def test_a_broker_hears_of_cameras_before_the_first_rule_comes_and_after_the_last_is_gone(
    light_bundle: Path, file: File, operator: Operator, tmp_path: Path
) -> None:
    broker = Broker(tmp_path, "allow_anonymous true")
    broker.start()
    reader = Reader(broker.port)
    mqtt = f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n'
    said = "so mqtt will never be told of an event; add a [[rule]]"
    file.write(mqtt, HALL)
    with Daemon("--config", file.path, "--bundle", light_bundle) as daemon:
        reader.wait_for("gesta/home/hall/availability", lambda payload: payload == b"online")
        assert daemon.stderr.count(said) == 1
        file.write(mqtt, HALL, file.rule)
        assert json.loads(reader.wait_for("gesta/home/hall/event"))["rule"] == "any"
        assert daemon.stderr.count(said) == 1
        file.write(mqtt, HALL)
        wait_until(lambda: daemon.stderr.count(said) == 2, "the warning", daemon)
        assert operator.metrics()["gesta_config_last_reload_successful"] == 1
        assert daemon.stop() == 0
    reader.close()
    broker.stop()
