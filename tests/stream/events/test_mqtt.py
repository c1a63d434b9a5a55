"""Events on MQTT, with a real broker."""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from msgspec.structs import replace
from paho.mqtt.enums import CallbackAPIVersion

from stream.errors import ConfigError
from stream.events.courier import DeliveryError
from stream.events.event import Event
from stream.events.evidence import Evidence, SnapshotFile
from stream.events.home_assistant import discovery
from stream.events.mqtt import Mqtt
from stream.events.receivers import MqttConfig
from stream.events.report import report
from stream.events.rule import RuleConfig
from tests.stream.events.certificates import Authority, Certificate
from tests.stream.events.drawn import rule
from tests.stream.events.test_store import event

SOON_S = 10.0
MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed"),
]


class Broker:
    """A Mosquitto on loopback, with a listener of its own."""

    def __init__(self, folder: Path, *lines: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._configuration = folder / "mosquitto.conf"
        self._configuration.write_text(
            "\n".join([f"listener {self.port} 127.0.0.1", "user root", *lines]) + "\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert MOSQUITTO is not None
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self._configuration)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline_s = time.monotonic() + SOON_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < deadline_s
                time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(SOON_S)
            self._process = None


class Reader:
    """Hears everything on a broker."""

    def __init__(self, port: int, **given: str) -> None:
        self.heard: queue.Queue[tuple[str, bytes, bool]] = queue.Queue()
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        if given:
            self.client.username_pw_set(given["user"], given["password"])
        self.client.on_connect = lambda client, *rest: client.subscribe("#", qos=1)
        self.client.on_message = lambda client, data, message: self.heard.put(
            (message.topic, message.payload, message.retain)
        )
        hears = threading.Event()  # what isn't retained is told to nobody who subscribes later
        self.client.on_subscribe = lambda *given: hears.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert hears.wait(SOON_S)

    def wait_for(
        self, topic: str, condition: Callable[[bytes], bool] = lambda payload: True
    ) -> bytes:
        deadline_s = time.monotonic() + SOON_S
        while (left_s := deadline_s - time.monotonic()) > 0:
            try:
                name, payload, _ = self.heard.get(timeout=left_s)
            except queue.Empty:
                break
            if name == topic and condition(payload):
                return payload
        raise AssertionError(f"nothing fitting came on {topic}")

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONNECTS_WITHIN_S", "ARRIVES_WITHIN_S"):
        monkeypatch.setattr(f"stream.events.mqtt.{name}", 3.0)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path, "allow_anonymous true")
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def sink(broker: Broker) -> Iterator[Mqtt]:
    sink = mqtt(broker.port)
    yield sink
    sink.close()


@pytest.fixture
def reader(broker: Broker) -> Iterator[Reader]:
    reader = Reader(broker.port)
    yield reader
    reader.close()


def mqtt(
    port: int,
    *,
    cameras: Mapping[str, Sequence[RuleConfig]] | None = None,
    store: str = "events.sqlite",
    **given: object,
) -> Mqtt:
    config = MqttConfig(host="127.0.0.1", port=port, **given)  # type: ignore[arg-type]
    found = {"hall": [rule()], "yard": []} if cameras is None else cameras
    return Mqtt(config, site="home", node="box", cameras=found, store=store)


def announced_as(reader: Reader, beginning: str) -> tuple[str, dict[str, Any]]:
    """The next announcement on a topic that begins so."""
    deadline_s = time.monotonic() + SOON_S
    while (left_s := deadline_s - time.monotonic()) > 0:
        topic, payload, _ = reader.heard.get(timeout=left_s)
        if topic.startswith(beginning):
            return topic, json.loads(payload)
    raise AssertionError(f"nothing was announced on {beginning}")


def until(payload: bytes) -> Callable[[bytes], bool]:
    return lambda found: found == payload


def test_it_is_there_before_anything_happens(sink: Mqtt, reader: Reader) -> None:
    sink.open()
    announced_as(reader, "homeassistant/event/gesta_hall_")
    reader.wait_for("gesta/home/node/box/availability", until(b"online"))
    sink.present("hall", True)
    reader.wait_for("gesta/home/hall/availability", until(b"online"))


def test_a_broker_that_never_answers_holds_no_stop_up() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        sink = mqtt(silent.getsockname()[1])
        sink.open()
        time.sleep(0.3)
        before_s = time.monotonic()
        sink.close()
        assert time.monotonic() - before_s < 2


def test_names_that_look_the_same_once_joined_are_told_apart() -> None:
    found = discovery(
        "homeassistant",
        base="gesta",
        site="t",
        node_availability="gesta/t/node/n/availability",
        cameras={"a": [rule(name="b_c")], "a_b": [rule(name="c")]},
    )
    assert len(found) == 8
    assert len({json.loads(payload)["unique_id"] for payload in found.values()}) == 8


def test_a_change_and_the_state_it_makes(sink: Mqtt, reader: Reader) -> None:
    first = event()
    sink.tell(1, first)
    reader.wait_for("gesta/home/hall/moving/state", until(b"ON"))
    told = json.loads(reader.wait_for("gesta/home/hall/event"))
    assert (told["event_id"], told["phase"], told["sequence"]) == (first.event_id, "start", 1)
    sink.tell(2, first.ended("below_exit"))
    reader.wait_for("gesta/home/hall/moving/state", until(b"OFF"))
    assert json.loads(reader.wait_for("gesta/home/hall/event"))["end_reason"] == "below_exit"


def test_who_acts_on_a_change_finds_the_state_and_the_picture_it_made(
    sink: Mqtt, reader: Reader, tmp_path: Path
) -> None:
    file = snapshot_in(tmp_path / "picture.jpg")
    sink.tell(1, event().ended("below_exit").kept(Evidence(snapshot=file)))
    told: list[str] = []
    while "gesta/home/hall/event" not in told:
        told.append(reader.heard.get(timeout=SOON_S)[0])
    assert told.count("gesta/home/hall/snapshot") == 1
    assert told.count("gesta/home/hall/moving/state") == 2  # at the start, and by the change
    told = [reader.heard.get_nowait()[0] for _ in range(reader.heard.qsize())]
    assert not [topic for topic in told if topic.endswith(("moving/state", "snapshot"))]


def snapshot_in(path: Path) -> SnapshotFile:
    """A picture that was kept of an event."""
    path.write_bytes(b"\xff\xd8 a picture")
    return SnapshotFile(uri=path.as_uri(), sha256="", at="2027-01-15T08:00:00.000000Z")


def test_home_assistant_is_told_of_an_end_once_and_then_of_what_was_kept(tmp_path: Path) -> None:
    template = pytest.importorskip("jinja2").Environment()
    template.filters["to_json"] = json.dumps
    found = discovery(
        "homeassistant",
        base="gesta",
        site="t",
        node_availability="gesta/t/node/n/availability",
        cameras={"hall": []},
    )
    announced = next(json.loads(said) for topic, said in found.items() if "/event/" in topic)
    seen = template.from_string(announced["value_template"])
    first = event()
    over = first.ended("stream_lost")
    changes = [first, first.updated(), over, over.kept(Evidence(error="no packets"))]
    acted_on = [
        json.loads(seen.render(value_json=json.loads(report(0, change, node="box"))))
        for change in changes
    ]
    assert [each["event_type"] for each in acted_on] == ["start", "update", "end", "evidence"]
    assert {each["event_type"] for each in acted_on} <= set(announced["event_types"])
    assert [each["end_reason"] for each in acted_on] == [None, None, "stream_lost", "stream_lost"]
    assert {(each["rule"], each["label"]) for each in acted_on} == {(first.rule, first.label)}


def test_the_picture_of_an_event_is_there_for_who_comes_late(
    sink: Mqtt, broker: Broker, tmp_path: Path
) -> None:
    picture = tmp_path / "a b.jpg"
    file = snapshot_in(picture)
    over = event().ended("below_exit")
    sink.tell(1, over)
    sink.tell(2, over.kept(Evidence(snapshot=file)))
    picture.unlink()
    sink.tell(
        3, over.kept(Evidence(snapshot=file))
    )  # deleted since: the event is told all the same
    late = Reader(broker.port)
    found: dict[str, bytes] = {}
    deadline_s = time.monotonic() + SOON_S
    while not {"snapshot", "image"} <= set(found) and time.monotonic() < deadline_s:
        topic, payload, _ = late.heard.get(timeout=SOON_S)
        if topic == "gesta/home/hall/snapshot":
            found["snapshot"] = payload
        if topic.startswith("homeassistant/image/gesta_hall_"):
            found["image"] = payload
    late.close()
    assert found["snapshot"] == b"\xff\xd8 a picture"
    announced = json.loads(found["image"])
    assert announced["image_topic"] == "gesta/home/hall/snapshot"


def test_who_comes_late_knows_the_state(sink: Mqtt, broker: Broker) -> None:
    sink.present("hall", True)
    sink.tell(1, event())
    late = Reader(broker.port)
    found: dict[str, bytes] = {}
    deadline_s = time.monotonic() + SOON_S
    wanted = {
        "gesta/home/hall/moving/state": b"ON",
        "gesta/home/hall/availability": b"online",
        "gesta/home/yard/availability": b"offline",
        "gesta/home/node/box/availability": b"online",
    }
    while not wanted.items() <= found.items() and time.monotonic() < deadline_s:
        topic, payload, retained = late.heard.get(timeout=SOON_S)
        assert retained
        found[topic] = payload
    assert wanted.items() <= found.items()
    assert "gesta/home/hall/event" not in found  # what happened is told once, to who was there
    late.close()


def test_home_assistant_finds_a_device_a_camera_and_again_when_it_starts_anew(
    sink: Mqtt, reader: Reader
) -> None:
    sink.tell(1, event())
    topic, live = announced_as(reader, "homeassistant/binary_sensor/gesta_hall_")
    assert live["state_topic"] == "gesta/home/hall/availability"
    _, sensor = announced_as(reader, "homeassistant/binary_sensor/gesta_hall_")
    assert sensor["state_topic"] == "gesta/home/hall/moving/state"
    assert {each["topic"] for each in sensor["availability"]} == {
        "gesta/home/node/box/availability",
        "gesta/home/hall/availability",
    }
    assert sensor["availability_mode"] == "all"
    reader.client.publish("homeassistant/status", "online", qos=1)
    reader.wait_for(topic)
    _, announced = announced_as(reader, "homeassistant/event/gesta_yard_")
    assert announced["device"]["name"] == "Gesta yard"
    assert announced["state_topic"] == "gesta/home/yard/event"


def test_home_assistant_hears_of_an_event_whose_camera_is_gone() -> None:
    found = discovery(
        "homeassistant",
        base="gesta",
        site="t",
        node_availability="gesta/t/node/n/availability",
        cameras={"hall": [rule()]},
    )
    needed = {
        json.loads(said)["name"]: {each["topic"] for each in json.loads(said)["availability"]}
        for said in found.values()
    }
    daemon, camera = "gesta/t/node/n/availability", "gesta/t/hall/availability"
    assert needed == {
        "Event": {daemon},
        "Last event": {daemon},
        "Camera": {daemon},
        "moving": {daemon, camera},
    }


def test_a_camera_that_goes_makes_its_sensors_unavailable(sink: Mqtt, reader: Reader) -> None:
    sink.tell(1, event())
    for here, said in ((True, b"online"), (False, b"offline")):
        sink.present("hall", here)
        reader.wait_for("gesta/home/hall/availability", until(said))


def test_a_stop_says_so_and_so_does_a_death(sink: Mqtt, reader: Reader) -> None:
    sink.tell(1, event())
    reader.wait_for("gesta/home/node/box/availability", until(b"online"))
    sink._client.socket().shutdown(socket.SHUT_RDWR)  # as if the process had been killed
    reader.wait_for("gesta/home/node/box/availability", until(b"offline"))
    reader.wait_for("gesta/home/node/box/availability", until(b"online"))  # it came back
    sink.close()
    reader.wait_for("gesta/home/node/box/availability", until(b"offline"))


def test_what_a_killed_daemon_left_is_put_right_before_it_counts_again(broker: Broker) -> None:
    killed = mqtt(broker.port)
    killed.present("hall", True)
    killed.tell(1, event())
    killed.close()
    again, reader = mqtt(broker.port), Reader(broker.port)
    again.open()
    counts = {}
    while counts.get("gesta/home/node/box/availability") != b"online":
        topic, payload, _ = reader.heard.get(timeout=SOON_S)
        counts[topic] = payload
    assert counts["gesta/home/hall/moving/state"] == b"OFF"
    assert counts["gesta/home/hall/availability"] == b"offline"
    for each in (again, reader):
        each.close()


def test_a_broker_that_went_away_gets_it_when_it_is_back(sink: Mqtt, broker: Broker) -> None:
    first = event()
    sink.tell(1, first)
    broker.stop()
    with pytest.raises(DeliveryError, match=r"mqtt: 127.0.0.1:\d+ (can't be reached|doesn't)"):
        sink.tell(2, first.updated())
    broker.start()
    again = Reader(broker.port)
    _until_told(sink, 2, first.updated())
    again.wait_for("gesta/home/hall/moving/state", until(b"ON"))
    assert json.loads(again.wait_for("gesta/home/hall/event"))["revision"] == 1
    again.close()


def _until_told(sink: Mqtt, sequence: int, change: Event) -> None:
    for _ in range(5):
        try:
            sink.tell(sequence, change)
        except DeliveryError:
            continue
        return
    raise AssertionError("it was never told")


def test_a_wrong_password_is_a_sentence_without_it(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", str(passwords), "gesta", "right"],
        check=True,
        capture_output=True,
    )
    broker = Broker(tmp_path, "allow_anonymous false", f"password_file {passwords}")
    broker.start()
    wrong, right = (mqtt(broker.port, user="gesta", password=word) for word in ("wrong", "right"))
    with pytest.raises(DeliveryError, match="refuses the connection") as failed:
        wrong.tell(1, event())
    assert "wrong" not in str(failed.value)
    wrong.close()
    right.tell(1, event())
    right.close()
    broker.stop()


def test_a_broker_that_can_not_be_had_is_logged_before_anything_happens(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    passwords = tmp_path / "passwords"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", str(passwords), "gesta", "right"],
        check=True,
        capture_output=True,
    )
    broker = Broker(tmp_path, "allow_anonymous false", f"password_file {passwords}")
    sink = mqtt(broker.port, user="gesta", password="guessed")
    sink._client.reconnect_delay_set(0.02, 0.02)
    connected = threading.Event()
    sink.open(connected.set)
    said = f"mqtt: 127.0.0.1:{broker.port} "
    try:
        _until_logged(caplog, f"{said}can't be reached (Connection refused); it is tried again")
        broker.start()
        _until_logged(caplog, f"{said}refuses the connection (Not authorized)")
        assert sink.is_away
        assert not connected.is_set()
        time.sleep(0.2)  # some attempts more
        sink._client.username_pw_set("gesta", "right")
        _until_logged(caplog, f"mqtt: connected to 127.0.0.1:{broker.port}")
        assert not sink.is_away
        assert connected.wait(SOON_S)
        broker.stop()
        _until_logged(caplog, "(Connection refused)", times=2)
    finally:
        sink.close()
        broker.stop()
    assert [record.levelname for record in caplog.records] == [
        "WARNING", "WARNING", "INFO", "WARNING"
    ]  # fmt: skip
    assert "guessed" not in caplog.text


def test_a_broker_that_wants_tls_is_asked_without_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        sink = mqtt(other.getsockname()[1])
        sink.open()
        other.accept()[0].close()
        _until_logged(caplog, "doesn't answer as a broker does; does it want mqtt.tls?")
        sink.close()


def _until_logged(caplog: pytest.LogCaptureFixture, words: str, times: int = 1) -> None:
    deadline_s = time.monotonic() + SOON_S
    while caplog.text.count(words) < times:
        assert time.monotonic() < deadline_s, caplog.text
        time.sleep(0.01)


# paho leaves the socket of a handshake that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
class TestTls:
    def test_the_brokers_certificate_is_checked(self, tmp_path: Path) -> None:
        authority = Authority(tmp_path / "authority")
        good = authority.certificate("good")
        with tls_broker(tmp_path, good) as broker:
            trusting = mqtt(broker.port, tls=True, ca=str(authority.ca))
            trusting.tell(1, event())
            trusting.close()
            said = refused(mqtt(broker.port, tls=True))
        assert said == (
            f"mqtt: 127.0.0.1:{broker.port} can't be reached (its certificate is refused: unable "
            "to get local issuer certificate)"
        )

    def test_one_that_has_expired_is_told_of(self, tmp_path: Path) -> None:
        authority = Authority(tmp_path / "authority")
        with tls_broker(tmp_path, authority.certificate("old", expired=True)) as broker:
            said = refused(mqtt(broker.port, tls=True, ca=str(authority.ca)))
        assert "its certificate is refused: certificate has expired" in said

    def test_a_broker_may_ask_for_ours(self, tmp_path: Path) -> None:
        authority = Authority(tmp_path / "authority")
        ours = authority.certificate("ours")
        asks = ("require_certificate true", f"cafile {authority.ca}")
        with tls_broker(tmp_path, authority.certificate("broker"), *asks) as broker:
            known = mqtt(
                broker.port, tls=True, ca=str(authority.ca), cert=str(ours.cert), key=str(ours.key)
            )
            known.tell(1, event())
            known.close()
            without = refused(mqtt(broker.port, tls=True, ca=str(authority.ca)))
            old = authority.certificate("old", expired=True)
            expired = refused(
                mqtt(
                    broker.port,
                    tls=True,
                    ca=str(authority.ca),
                    cert=str(old.cert),
                    key=str(old.key),
                )
            )
        words = "hangs up before it answers; does it want another mqtt.cert?"
        assert without == expired == f"mqtt: 127.0.0.1:{broker.port} {words}"


@contextlib.contextmanager
def tls_broker(folder: Path, its: Certificate, *lines: str) -> Iterator[Broker]:
    broker = Broker(
        folder, "allow_anonymous true", f"certfile {its.cert}", f"keyfile {its.key}", *lines
    )
    broker.start()
    yield broker
    broker.stop()


def refused(sink: Mqtt) -> str:
    """What is said when an event can't be told."""
    with pytest.raises(DeliveryError) as failed:
        sink.tell(1, event())
    sink.close()
    return str(failed.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"host": "mqtt://broker"}, "mqtt.host: must be a host's name or address alone"),
        ({"host": "broker:1883"}, "mqtt.host"),
        ({"host": "a" * 70 + ".x"}, "mqtt.host"),
        ({"host": "a b"}, "mqtt.host"),
        ({"host": "..."}, "mqtt.host"),
        ({"host": "a", "base": "gesta/#"}, "mqtt.base: may hold only"),
        ({"host": "a", "discovery": "/x"}, "mqtt.discovery: may hold only"),
        ({"host": "a", "password": "b"}, "mqtt.user: a password needs a user"),
        ({"host": "a", "ca": "x.pem"}, "mqtt.tls: certificates need tls = true"),
        ({"host": "a", "tls": True, "cert": "x.pem"}, "mqtt.cert: a certificate needs its key"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        MqttConfig(**given).check("mqtt")  # type: ignore[arg-type]
    assert said in str(refused.value)


def test_certificates_that_are_not_there_are_named() -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        mqtt(1883, tls=True, ca="/no/such.pem")


def test_a_revision_announces_what_is_new_and_deletes_what_is_gone(
    sink: Mqtt, broker: Broker, reader: Reader
) -> None:
    sink.open()
    reader.wait_for("gesta/home/hall/moving/state", until(b"OFF"))
    reader.wait_for("gesta/home/yard/availability", until(b"offline"))
    sink.revise({"hall": [rule(name="falling")]})
    gone = set()
    while not {"gesta/home/hall/moving/state", "gesta/home/yard/availability"} <= gone:
        topic, payload, _ = reader.heard.get(timeout=SOON_S)
        gone |= {topic} if not payload else set()
    reader.wait_for("gesta/home/hall/falling/state", until(b"OFF"))
    sink.tell(1, event().ended("disabled"))  # of the rule that is gone: told, and nothing kept
    assert json.loads(reader.wait_for("gesta/home/hall/event"))["end_reason"] == "disabled"
    sink.close()
    kept = _kept(broker)
    assert "gesta/home/hall/falling/state" in kept
    assert not [topic for topic in kept if "moving" in topic or "yard" in topic]


def test_a_new_start_deletes_what_the_configuration_had_before(broker: Broker) -> None:
    before = mqtt(broker.port)
    before.tell(1, event())
    before.close()
    assert _kept(broker)["gesta/home/hall/moving/state"] == b"ON"
    after = mqtt(broker.port, cameras={"hall": [rule(name="falling")]})
    after.open()
    deadline_s = time.monotonic() + SOON_S
    while [topic for topic in _kept(broker) if "moving" in topic or "yard" in topic]:
        assert time.monotonic() < deadline_s
    kept = _kept(broker)
    after.close()
    assert "gesta/home/hall/falling/state" in kept


@pytest.mark.parametrize(
    "written",
    [
        None,
        b"no list",
        b'["homeassistant/light/lamp/config", "gesta/away/gate/moving/state", "gesta/home/+"]',
    ],
)
def test_and_nothing_of_anybody_else(broker: Broker, written: bytes | None) -> None:
    other = mqtt(broker.port, store="other.sqlite", cameras={"gate": [rule()]})
    other.tell(1, replace(event(), camera="gate"))
    lamp = paho.Client(CallbackAPIVersion.VERSION2)
    lamp.connect("127.0.0.1", broker.port)
    lamp.loop_start()
    others = {"homeassistant/light/lamp/config": b"{}", "gesta/away/gate/moving/state": b"ON"}
    for topic, payload in others.items():
        lamp.publish(topic, payload, qos=1, retain=True).wait_for_publish(SOON_S)
    sink = mqtt(broker.port)
    if written is not None:
        lamp.publish(sink._topics.kept, written, qos=1, retain=True).wait_for_publish(SOON_S)
    for sequence in (2, 3):  # by the second, it has read what was written
        sink.tell(sequence, event())
    kept = _kept(broker)
    assert kept["gesta/home/gate/moving/state"] == b"ON"
    assert others.items() <= kept.items()
    for client in (lamp, sink._client):
        client.disconnect()
        client.loop_stop()
    other.close()


def _kept(broker: Broker) -> dict[str, bytes]:
    """What a broker keeps: it tells of that before it takes anything else."""
    late = Reader(broker.port)
    late.client.publish("over", qos=1)  # QoS 0 would overtake
    kept = {}
    while (said := late.heard.get(timeout=SOON_S))[0] != "over":
        topic, payload, retained = said
        kept |= {topic: payload} if retained else {}
    late.close()
    return kept
