"""`gesta run` in this process: everything real but the bundle and its graphs."""

import json
import os
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from types import SimpleNamespace

import msgspec
import pytest
import zmq

from engine.errors import EngineDrift
from engine.flow.open import open_flow
from engine.manifest import FlowEntry
from stream import opening as opening_module
from stream import run as run_module
from stream.configuration.config import (
    CameraConfig,
    Config,
    EventsConfig,
    HttpConfig,
    PublishConfig,
)
from stream.configuration.reload import Reload
from stream.errors import ConfigError, PublishError, SourceError
from stream.events.receivers import MqttConfig, WebhookConfig
from stream.events.rule import RuleConfig
from stream.events.store import EventStore
from stream.messaging.messages import Heartbeat, Meta, Prediction, Status
from stream.messaging.publisher import Publisher
from stream.messaging.subscriber import Subscriber
from stream.processes.capture_processes import CaptureProcesses
from stream.signals import stopped_by_signals
from tests.stream.events.test_store import event
from tests.stream.messaging.samples_of_messages import MODEL
from tests.stream.stand_ins import Recogniser
from tests.stream.synthetic import picture, small_manifest, write_video

SOON_S = 20


class Opening:
    """A bundle that is not there, with an engine that takes no time."""

    def __init__(self):
        self.manifest = small_manifest()
        self.bundle = SimpleNamespace(sha256="ab" * 32)
        self.flow, self.flow_device = "dis", "cpu"
        self.flow_entry = FlowEntry(bound_px=12.0)
        self.recogniser = Recogniser()
        self.error = None
        self.compiling = threading.Event()
        self.compiling.set()

    def open_flow(self):
        return open_flow("dis", {"preset": "ultrafast"})

    def open_engine(self, config, say):
        say("compiling")
        self.compiling.wait(SOON_S)
        if self.error is not None:
            raise self.error
        return SimpleNamespace(recogniser=self.recogniser, graphs=None, eyes=None)

    def model(self, graphs):
        return MODEL


@pytest.fixture
def opening(monkeypatch):
    made = Opening()
    monkeypatch.setattr(run_module, "open_bundle", lambda config: made)
    return made


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "clip.mp4", (picture(tick) for tick in range(30)))


class Listener:
    """Collects what is published, and may do something when a kind of message has come."""

    def __init__(self, endpoint):
        self.messages = []
        self.then = {}
        self._endpoint = endpoint
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self):
        subscriber = Subscriber(self._endpoint)
        while not self._over.is_set():
            if (item := subscriber.receive(0.05)) is not None:
                self.messages.append(item.message)
                if then := self.then.pop(type(item.message), None):
                    then()
        subscriber.close()

    def of(self, kind):
        return [message for message in self.messages if isinstance(message, kind)]

    def close(self):
        time.sleep(0.3)  # for what is on its way
        self._over.set()
        self._thread.join()


@pytest.fixture
def listener(endpoint):
    made = Listener(endpoint)
    yield made
    made._over.set()
    made._thread.join()


@pytest.fixture
def endpoint(tmp_path):
    return f"ipc://{tmp_path}/gesta.sock"


def config(endpoint, *urls, **options):
    return Config(
        publish=PublishConfig(bind=endpoint),
        cameras=tuple(
            CameraConfig(name=f"cam{i}", url=str(url), **options) for i, url in enumerate(urls)
        ),
    )


def run(config, show=False):
    """As the command line does it."""
    with stopped_by_signals() as stop:
        reload = Reload(None, load=lambda: config, config=config, asked=threading.Event())
        run_module.run(reload, stop=stop, show=show)


def signalled(number):
    return lambda: os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_order_within_two_seconds(opening, endpoint, listener, number):
    asked_s = []

    def ask():
        asked_s.append(time.monotonic())
        os.kill(os.getpid(), number)

    listener.then[Prediction] = ask
    handlers = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    threads = threading.active_count()
    run(config(endpoint, "scene:?size=64x64", "scene:?size=64x64&seed=1"))
    assert time.monotonic() - asked_s[0] < 2.0
    stops = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    assert [signal.getsignal(n) for n in stops] == handlers
    assert threading.active_count() == threads
    listener.close()
    assert [message.state for message in listener.of(Status)[-2:]] == ["ended", "ended"]
    assert isinstance(listener.messages[-1], Heartbeat)
    Publisher(endpoint).close(orderly=False)  # the endpoint is free again


def test_a_file_is_told_to_its_end_and_then_the_daemon_ends(opening, endpoint, listener, video):
    run(config(endpoint, video, realtime=True))  # for the listener to be there in time
    listener.close()
    assert [p.time.position_s for p in listener.of(Prediction)][-1] == 29 / 25
    (meta, *_) = listener.of(Meta)
    assert meta.classes == ("walk", "wave")
    assert meta.grid.window_s == 1.2
    assert meta.cameras[0].camera == "cam0"


def test_a_looped_file_goes_on_with_a_new_epoch(opening, endpoint, listener, video):
    seen = threading.Event()

    def look():
        if any(p.stream_epoch >= 2 for p in listener.of(Prediction)):
            seen.set()
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            listener.then[Prediction] = look

    listener.then[Prediction] = look
    run(config(endpoint, video, loop=True))
    assert seen.is_set()


def test_a_file_that_is_missing_is_no_success(opening, endpoint, tmp_path):
    with pytest.raises(SourceError, match="there is no file") as caught:
        run(config(endpoint, tmp_path / "no.mp4"))
    assert caught.value.exit_code == 3


def test_a_scene_that_can_not_be_drawn_is_told_before_anything_starts(opening, endpoint):
    with pytest.raises(ConfigError, match="scene"):
        run(config(endpoint, "scene:?sede=1"))


def test_a_gpu_that_is_to_decode_where_there_is_none_is_told_before_anything_starts(
    opening, endpoint, video, monkeypatch
):
    monkeypatch.setattr(
        opening_module, "describe_machine", lambda: SimpleNamespace(nvidia_driver=None)
    )
    asked = msgspec.structs.replace(config(endpoint, video), decoder="cuda")
    with pytest.raises(ConfigError, match=r'decoder: "cuda" .* no driver .* leave decoder out'):
        run(asked)


def test_a_gpu_decodes_in_capture_processes(opening, endpoint, video, monkeypatch):
    monkeypatch.setattr(
        opening_module, "describe_machine", lambda: SimpleNamespace(nvidia_driver="580")
    )
    made = []

    def processes(number, begin, wants_flow):
        made.append((number, begin.decoder))
        return CaptureProcesses(0, begin, wants_flow)

    monkeypatch.setattr(run_module, "CaptureProcesses", processes)
    run(config(endpoint, video))
    run(msgspec.structs.replace(config(endpoint, video), decoder="cuda"))
    assert made == [(0, "cpu"), (1, "cuda")]


def test_an_endpoint_in_use_is_told_before_anything_is_compiled(opening, endpoint):
    opening.error = AssertionError("nothing should be compiled")
    holder = Publisher(endpoint)
    try:
        with pytest.raises(PublishError, match="in use"):
            run(config(endpoint, "scene:"))
    finally:
        holder.close(orderly=False)


def test_an_http_port_in_use_is_told_before_anything_is_compiled(opening, endpoint):
    opening.error = AssertionError("nothing should be compiled")
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = msgspec.structs.replace(
            config(endpoint, "scene:"),
            http=HttpConfig(bind=f"127.0.0.1:{holder.getsockname()[1]}"),
        )
        with pytest.raises(PublishError, match=r"http\.bind: .* is in use"):
            run(taken)
    Publisher(endpoint).close(orderly=False)


def test_while_it_compiles_it_lives_and_is_not_started(opening, endpoint):
    opening.compiling.clear()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        bind = f"127.0.0.1:{probe.getsockname()[1]}"
    found = {}

    def look():
        for page in ("livez", "startupz", "readyz", "metrics"):
            try:
                with urllib.request.urlopen(f"http://{bind}/{page}", timeout=SOON_S) as answer:
                    found[page] = answer.status
            except urllib.error.HTTPError as error:
                found[page] = error.code
                error.close()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Timer(0.5, look).start()
    run(msgspec.structs.replace(config(endpoint, "scene:"), http=HttpConfig(bind=bind)))
    assert found == {"livez": 200, "startupz": 503, "readyz": 503, "metrics": 503}
    opening.compiling.set()


def test_an_engine_that_can_not_be_opened_ends_it_and_frees_the_endpoint(opening, endpoint):
    opening.error = EngineDrift("the numbers drift")
    with pytest.raises(EngineDrift):
        run(config(endpoint, "scene:"))
    Publisher(endpoint).close(orderly=False)


def test_an_engine_that_dies_ends_it(opening, endpoint):
    opening.recogniser.error = EngineDrift("the device is gone")
    with pytest.raises(EngineDrift):
        run(config(endpoint, "scene:?size=64x64"))


def test_it_can_be_stopped_while_it_compiles(opening, endpoint):
    opening.compiling.clear()
    threading.Timer(0.3, signalled(signal.SIGTERM)).start()
    started_s = time.monotonic()
    run(config(endpoint, "scene:"))
    assert time.monotonic() - started_s < 3
    opening.compiling.set()


def test_watching_in_the_same_terminal_prints_what_is_going_on(opening, endpoint, video, capsys):
    run(config(endpoint, video, realtime=True), show=True)
    assert "cam0 live: wave 0.75, walk 0.25" in capsys.readouterr().out


def left_open(path):
    """A store as a killed daemon leaves it."""
    store = EventStore(path)
    store.write([event()])
    store.close()


def asked(endpoint, request):
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.linger = 0
        socket.connect(endpoint)
        socket.send_json(request)
        assert socket.poll(SOON_S * 1000)
        return json.loads(socket.recv())


def test_without_rules_what_a_killed_daemon_left_open_ends(opening, endpoint, listener, tmp_path):
    path, answers = tmp_path / "events.sqlite", f"ipc://{tmp_path}/answers.sock"
    left_open(path)
    found = []

    def ask():
        found.extend(asked(answers, {"get": "events"})["events"])
        os.kill(os.getpid(), signal.SIGTERM)

    listener.then[Prediction] = ask
    run(
        msgspec.structs.replace(
            config(endpoint, "scene:?size=64x64"),
            events=EventsConfig(store=str(path), keep_days=0),
            publish=PublishConfig(bind=endpoint, answers=answers),
        )
    )
    assert [(each["phase"], each["end_reason"]) for each in found] == [
        ("start", None), ("end", "crash"),
    ]  # fmt: skip
    store = EventStore(path, read_only=True)
    assert not store.open_events()
    store.close()


def test_without_rules_no_store_is_made(opening, endpoint, video, tmp_path):
    events = EventsConfig(store=str(tmp_path / "state" / "events.sqlite"))
    run(msgspec.structs.replace(config(endpoint, video), events=events))
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("rules", [(), (RuleConfig(name="off", labels=("walk",), enabled=False),)])
def test_that_receivers_wait_in_vain_without_a_rule_is_said_once(
    opening, endpoint, video, tmp_path, caplog, rules
):
    run(
        msgspec.structs.replace(
            config(endpoint, video),
            rules=rules,
            webhooks=(WebhookConfig(name="vms", url="http://127.0.0.1:9/"),),
            mqtt=MqttConfig(host="127.0.0.1", port=9),
            events=EventsConfig(store=str(tmp_path / "events.sqlite")),
        )
    )
    said = [each.getMessage() for each in caplog.records if each.name == "stream.outside"]
    assert said == [
        "no rule is enabled, so webhook:vms, mqtt will never be told of an event; add a [[rule]]"
    ]


def test_without_rules_a_store_of_another_daemon_is_left_alone(
    opening, endpoint, video, tmp_path, caplog
):
    path = tmp_path / "events.sqlite"
    left_open(path)
    other = EventStore(path)
    run(msgspec.structs.replace(config(endpoint, video), events=EventsConfig(store=str(path))))
    assert "another daemon writes the event store" in caplog.text
    assert len(other.open_events()) == 1
    other.close()
