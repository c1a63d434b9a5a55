"""The main thread with stand-ins around it, and a real publisher and subscriber."""

import logging
import threading
import time
from queue import SimpleQueue
from unittest.mock import Mock

import msgspec
import pytest

from engine.errors import EngineDrift
from stream.batching import Batcher
from stream.cameras import Cameras
from stream.configuration.config import CameraConfig, Config, EventsConfig
from stream.configuration.reload import Reload
from stream.daemon import Daemon
from stream.errors import ConfigError, Reason, StreamError
from stream.events.courier import Delivery
from stream.events.desk import EventDesk
from stream.events.evidence import Evidence, EvidenceReady
from stream.events.rule import RuleConfig
from stream.inbox import Inbox
from stream.inference import InferenceThread
from stream.messaging.envelope import Envelope
from stream.messaging.messages import (
    CameraFacts,
    EventChange,
    Explain,
    Heartbeat,
    Meta,
    Prediction,
    Status,
)
from stream.messaging.publisher import Publisher
from stream.messaging.subscriber import Subscriber
from stream.messaging.writer import Writer
from stream.operations.ledger import Ledger
from stream.outside import Outside
from stream.samples import SampleQueue
from stream.shedding import Shedding
from stream.systemd import Systemd
from tests.stream.messaging.samples_of_messages import MODEL, meta
from tests.stream.stand_ins import Capture, Recogniser, stream_sample
from tests.stream.synthetic import small_manifest

SOON_S = 10


class Told(Systemd):
    """A systemd that is told everything, and keeps it."""

    def __init__(self):
        super().__init__({"WATCHDOG_USEC": "200000"})
        self.texts = []

    def _tell(self, text):
        self.texts.append(text)


class Keeper:
    """One that has evidence of every event that is over only when it is to finish."""

    def __init__(self):
        self.looks, self.over = [], []

    def looked(self, camera, captured_ns, attention):
        self.looks.append((camera, captured_ns, attention))

    def follow(self, event):
        if not event.is_open and event.evidence is None:
            self.over.append(event)

    def finish(self, within_s):
        assert within_s > 0
        return [EvidenceReady(event.event_id, Evidence(error="none")) for event in self.over]


class House:
    """A daemon in a thread of its own, with its cameras in the test's hands."""

    def __init__(self, *names, store, rules=(), evidence=None):
        self.rules = rules
        self.evidence = evidence
        self.store = store
        self.ledger = Ledger()
        self.systemd = Told()
        self.stop = threading.Event()
        self.recogniser = Recogniser()
        self.inbox = Inbox()
        self.wakeup = threading.Event()
        self.batcher = Batcher({}, wakeup=self.wakeup)
        self.cameras = {}  # by name, the newest of each
        self.inference = InferenceThread(
            open_recogniser=lambda: self.recogniser,
            batcher=self.batcher,
            deliver=self.inbox.put,
        )
        self.config = self.configured(*names, rules=rules)
        self.reload = Reload(None, load=self._load, config=self.config, asked=threading.Event())
        self.couriers = []
        self.ready = threading.Event()
        self.error = None
        self.daemon = None
        self.seen = []  # everything sent, without a socket between
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        assert self.ready.wait(SOON_S)
        self.subscriber = Subscriber(self.endpoint)

    def _run(self):
        publisher = Publisher("tcp://127.0.0.1:*")
        self.endpoint = publisher.endpoint
        envelope = Envelope("home", "box")
        cameras = Cameras(self._make, self.batcher, Shedding())
        for camera in self.config.cameras:
            cameras.add(camera)
        self.inference.start()
        self.events = EventDesk(self.rules, classes=small_manifest().classes, window_s=1.2)
        self.daemon = Daemon(
            stop=self.stop,
            cameras=cameras,
            inference=self.inference,
            inbox=self.inbox,
            envelope=envelope,
            writer=Writer(
                envelope=envelope,
                manifest=small_manifest(),
                model=MODEL,
                clock_ns=time.monotonic_ns,
            ),
            outside=Outside(
                publisher=publisher,
                answers=None,
                events=self.events,
                evidence=self.evidence,
                ledger=self.ledger,
                systemd=self.systemd,
                couriers=self.couriers,
                manifest=small_manifest(),
            ),
            reload=self.reload,
            meta=lambda config: self._meta(config, envelope),
        )
        self.daemon.show = self.seen.append
        self.ready.set()
        try:
            self.daemon.run()
        except Exception as error:  # noqa: BLE001  the test looks at it
            self.error = error
        finally:
            self.events.close()

    def _make(self, camera, epoch):
        queue = SampleQueue(50, live=True, wakeup=self.wakeup.set)
        made = self.cameras[camera.name] = Capture(camera.name, queue, self.inbox.put, epoch)
        return made, made.queue

    def _load(self):
        if isinstance(self.config, StreamError):
            raise self.config
        return self.config

    def _meta(self, config, envelope):
        return msgspec.structs.replace(
            meta(envelope),
            rules=tuple(rule.name for rule in config.rules),
            cameras=tuple(CameraFacts(camera=c.name, url="rtsp://") for c in config.cameras),
        )

    def configured(self, *names, rules=(), **given):
        cameras = (CameraConfig(name=name, url=f"rtsp://camera.example/{name}") for name in names)
        events = EventsConfig(store=str(self.store))
        return Config(cameras=tuple(cameras), rules=tuple(rules), events=events, **given)

    def read_again(self, config):
        """SIGHUP, with this in the file."""
        self.config = config
        self.reload._asked.set()

    def receive(self, kind, count=1):
        """The next messages of a kind; others are passed over."""
        found = []
        deadline_s = time.monotonic() + SOON_S
        while len(found) < count and time.monotonic() < deadline_s:
            item = self.subscriber.receive(0.1)
            if item is not None and isinstance(item.message, kind):
                found.append(item)
        assert len(found) == count, f"{len(found)} of {count} {kind.__name__} came"
        return found

    def ended(self, within_s=SOON_S):
        self.thread.join(within_s)
        return not self.thread.is_alive()

    def close(self):
        self.stop.set()
        self.recogniser.gate.set()
        for camera in self.cameras.values():
            camera.hangs = False
        assert self.ended()
        self.subscriber.close()


@pytest.fixture
def house(tmp_path):
    made = []

    def build(*names, **given):
        made.append(House(*names, store=tmp_path / "events.sqlite", **given))
        return made[-1]

    yield build
    for each in made:
        each.close()


def test_samples_become_predictions_with_gapless_numbers(house):
    home = house("hall")
    home.receive(Meta)
    for tick in range(40):
        home.cameras["hall"].queue.put(stream_sample("hall", tick, truth="wave"))
    messages = [item.message for item in home.receive(Prediction, 40)]
    live = [message for message in messages if not message.replay]
    assert [message.seq for message in messages] == list(range(40))
    assert home.subscriber.lost_total == 0
    last = live[-1]
    assert last.camera == "hall"
    assert last.top[0].label == "wave"
    assert (last.top[0].p, last.top[0].p_rgb, last.top[0].p_flow) == (0.75, 0.25, 0.75)
    assert last.probabilities == (0.25, 0.75)
    assert last.truth == "wave"
    assert (last.window.frames, last.window.complete) == (30, True)
    assert last.time.position_s == 39 / 25
    assert last.time.capture_end == "2026-09-21T14:13:20.250000Z"
    assert last.time.capture_start == "2026-09-21T14:13:19.090000Z"  # 29 steps of 40 ms before
    assert (last.time.latency_ms.capture, last.time.latency_ms.rgb) == (4.0, 8.0)
    assert last.dropped == {"thinned": 2, "shed": 0}


def test_the_first_predictions_say_how_little_they_stand_on(house):
    home = house("hall")
    home.cameras["hall"].queue.put(stream_sample("hall", tick=0))
    (first,) = home.receive(Prediction)
    assert (first.message.window.frames, first.message.window.complete) == (1, False)
    assert first.message.time.capture_start == first.message.time.capture_end


def test_statuses_are_published_as_they_come(house):
    home = house("hall", "yard")
    home.cameras["yard"].tell("live", None, "h264, 640x480 px")
    home.cameras["hall"].tell(
        "offline", Reason.AUTH, "rtsp://user:***@camera.example/hall refuses the password",
        next_retry_s=4.25,
    )  # fmt: skip
    by_camera = {item.message.camera: item.message for item in home.receive(Status, 2)}
    hall = by_camera["hall"]
    assert (hall.state, hall.reason, hall.next_retry_s) == ("offline", Reason.AUTH, 4.25)
    assert "secret" not in hall.url
    assert by_camera["yard"].state == "live"


def test_the_heart_beats_once_a_second_and_knows_every_number(house):
    home = house("hall")
    home.cameras["hall"].tell("live")
    home.cameras["hall"].queue.put(stream_sample("hall"))
    first, second = (item.message for item in home.receive(Heartbeat, 2))
    assert 0.9 <= second.uptime_s - first.uptime_s <= 2.5
    assert second.interval_s == 1.0
    assert second.open_events == 0
    assert second.memory.rss_bytes > 1_000_000
    assert second.last_inference_age_s > 0
    assert second.cameras[0].camera == "hall"
    assert second.queues == {"samples:hall": 0, "results": 0, "unstored": 0}
    assert second.last_seq["gesta/1/home/hall/prediction/"] == 0
    assert home.cameras["hall"].supervised >= 1


def test_when_flow_is_given_up_and_comes_back_each_camera_and_the_heart_say_so(house):
    home = house("hall", "yard")
    for camera in home.cameras.values():
        camera.tell("live")
    home.receive(Status, 2)
    shedding = home.daemon.cameras.shedding
    assert home.receive(Heartbeat)[0].message.shedding == "nothing"
    steps = iter(["flow", "nothing"])
    shedding.review = lambda now_ns: setattr(shedding, "step", next(steps)) is None
    for state, reason in (("flow", Reason.OVERLOAD), ("nothing", None)):
        messages = home.subscriber
        told = []
        while not (told and isinstance(told[-1], Heartbeat)):
            item = messages.receive(SOON_S)
            assert item is not None
            told.append(item.message)
        by_camera = {m.camera: m for m in told if isinstance(m, Status)}
        assert {name: m.reason for name, m in by_camera.items()} == {"hall": reason, "yard": reason}
        assert told[-1].shedding == state
    shedding.review = lambda now_ns: False


def test_every_camera_counts_for_what_is_shed(house):
    home = house("hall", "yard")
    noted = SimpleQueue()
    home.daemon.cameras.shedding.note = lambda now_ns, shed: noted.put(shed)
    home.cameras["hall"].queue.put(stream_sample("hall", shed_before=3))
    home.cameras["yard"].queue.put(stream_sample("yard"))
    assert sorted(noted.get(timeout=10) for _ in range(2)) == [0, 3]


WAVING = RuleConfig(name="greeting", labels=("wave",), min_duration_s=0.0)  # who says it at 0.75


def test_an_event_is_told_at_its_start_and_when_its_camera_is_gone(house, caplog):
    caplog.set_level(logging.INFO)
    home = house("hall", rules=(WAVING,))
    queue = home.cameras["hall"].queue
    queue.put(stream_sample("hall", 28))  # the window isn't whole yet
    queue.put(stream_sample("hall", 29))
    (start,) = (item.message for item in home.receive(EventChange))
    assert (start.phase, start.rule, start.label, start.camera) == (
        "start",
        "greeting",
        "wave",
        "hall",
    )
    assert (start.peak.p, start.start, start.end) == (0.75, start.peak.at, None)
    assert any(item.message.open_events == 1 for item in home.receive(Heartbeat, 2))
    home.cameras["hall"].tell("stalled", Reason.STALL, "nothing comes")
    (end,) = (item.message for item in home.receive(EventChange))
    assert (end.event_id, end.phase, end.revision) == (start.event_id, "end", 1)
    assert (end.end_reason, end.end) == ("stream_lost", start.start)
    assert "hall: wave began (rule greeting)" in caplog.text
    assert "hall: wave is over after 0.0 s (rule greeting, stream_lost, peak 0.75)" in caplog.text


def test_a_stop_ends_the_events_before_the_cameras(house):
    home = house("hall", rules=(WAVING,))
    home.cameras["hall"].queue.put(stream_sample("hall", 29))
    home.receive(EventChange)
    home.stop.set()
    home.thread.join(SOON_S)
    told = [m for m in home.seen if isinstance(m, EventChange | Status)]
    assert isinstance(told[-2], EventChange)
    assert (told[-2].phase, told[-2].end_reason) == ("end", "shutdown")


def test_a_stop_tells_of_the_evidence_that_was_still_to_be_written(house):
    keeper = Keeper()
    home = house("hall", rules=(WAVING,), evidence=keeper)
    home.cameras["hall"].queue.put(stream_sample("hall", 29))
    home.receive(EventChange)
    home.stop.set()
    home.thread.join(SOON_S)
    told = [m for m in home.seen if isinstance(m, EventChange | Status)]
    assert [m.evidence for m in told[-3:-1]] == [None, Evidence(error="none")]
    assert (told[-2].event_id, told[-2].revision) == (told[-3].event_id, told[-3].revision + 1)
    assert told[-1].state == "ended"
    ((camera, captured_ns, attention),) = keeper.looks
    assert (camera, captured_ns) == ("hall", stream_sample("hall", 29).capture_ns)
    assert attention.shape == (2, 2)


def test_operators_see_what_subscribers_hear(house):
    home = house("hall", rules=(WAVING,))
    home.couriers.append(Mock(sink=Mock(), delivery=Delivery(2, True)))
    home.couriers[0].sink.name = "mqtt"
    home.cameras["hall"].tell("live")
    home.cameras["hall"].queue.put(stream_sample("hall", 29))
    home.receive(EventChange)
    home.receive(Heartbeat, 2)
    assert home.ledger.snapshot.deliveries == {"mqtt": Delivery(2, True)}
    assert home.ledger.phase == "running"
    assert not home.ledger.stands_still
    snapshot = home.ledger.snapshot
    assert snapshot.state("hall") == "live"
    assert snapshot.latencies["hall"].at_most[-1] == 1
    assert snapshot.events == {("greeting", "start"): 1, ("greeting", "end"): 0}
    assert snapshot.heartbeat.open_events == 1
    home.stop.set()
    assert home.ended()
    assert home.ledger.phase == "stopping"
    assert home.ledger.snapshot.events["greeting", "end"] == 1


def test_systemd_is_told_of_its_life(house):
    home = house("hall", "yard")
    home.cameras["hall"].tell("live")
    home.receive(Heartbeat, 2)
    home.stop.set()
    assert home.ended()
    texts = home.systemd.texts
    assert texts[0] == "READY=1"
    assert "STATUS=1 of 2 cameras live" in texts
    assert 3 <= texts.count("WATCHDOG=1") <= 30
    assert texts.index("STOPPING=1") > texts.index("STATUS=1 of 2 cameras live")


def test_a_stuck_engine_ages_in_the_heartbeat_while_the_heart_beats_on(house):
    home = house("hall")
    queue = home.cameras["hall"].queue
    queue.put(stream_sample("hall", 0))
    home.receive(Prediction)
    home.recogniser.gate.clear()
    queue.put(stream_sample("hall", 1))
    beats = [item.message.last_inference_age_s for item in home.receive(Heartbeat, 3)]
    assert beats[0] < beats[1] < beats[2]


def test_explanations_come_with_their_pictures_and_not_too_often(house):
    home = house("hall")
    home.receive(Meta)
    started_s = time.monotonic()
    for tick in range(20):
        home.cameras["hall"].queue.put(stream_sample("hall", tick, explain=True))
    (first,) = home.receive(Explain)
    jpeg, rgb, flow = first.blobs
    assert jpeg.startswith(b"\xff\xd8")
    assert list(rgb) == list(flow) == [64, 128, 191, 255]
    assert first.message.attention_rgb.peak == pytest.approx(0.4)
    assert first.message.frame.crop == (16, 8, 32, 32)
    assert first.message.prediction_seq == 0
    home.receive(Heartbeat, 1)
    explained = sum(isinstance(message, Explain) for message in home.seen)
    assert explained <= 1 + 5 * (time.monotonic() - started_s)
    assert sum(isinstance(message, Prediction) for message in home.seen) == 20


def test_when_every_source_has_ended_the_daemon_ends_with_every_sample_told(house):
    home = house("a", "b")
    for camera in home.cameras.values():
        assert camera.started.wait(SOON_S)
        for tick in range(5):
            camera.queue.put(stream_sample(camera.camera.name, tick))
        camera.end()
    assert home.ended()
    assert home.error is None
    counts = [sum(isinstance(m, Prediction) and m.camera == c for m in home.seen) for c in "ab"]
    assert counts == [5, 5]
    assert all(monitor.state == "ended" for monitor in home.daemon.cameras.monitors.values())


def test_one_camera_that_ends_leaves_the_others_running(house):
    home = house("a", "b")
    home.cameras["a"].end()
    home.cameras["b"].queue.put(stream_sample("b"))
    home.receive(Prediction)
    assert home.thread.is_alive()


def test_a_stop_is_quick_and_the_last_words_arrive(house):
    home = house("hall")
    home.cameras["hall"].tell("live")
    home.receive(Status)
    started_s = time.monotonic()
    home.stop.set()
    assert home.ended(2.0)
    assert time.monotonic() - started_s < 2.0
    (last,) = home.receive(Status)
    assert (last.message.state, last.message.detail) == ("ended", "the daemon was stopped")
    assert home.daemon.abandoned == []
    assert not home.inference.is_alive()


def test_threads_that_hang_are_left_behind_by_the_deadline_and_named(house, caplog):
    home = house("hall", "yard")
    home.receive(Meta)
    for camera in home.cameras.values():
        assert camera.started.wait(SOON_S)
        camera.hangs = True
    home.recogniser.gate.clear()
    home.cameras["hall"].queue.put(stream_sample("hall"))
    home.stop.set()
    assert home.ended(2.0)
    assert home.daemon.abandoned[:2] == ["capture:hall", "capture:yard"]
    assert "capture:hall" in caplog.text


def test_a_camera_that_stays_away_is_logged_once_and_published_each_time(house, caplog):
    caplog.set_level(logging.INFO)
    home = house("hall")
    home.receive(Meta)  # it listens now
    hall = home.cameras["hall"]
    for _ in range(5):
        hall.tell("connecting")
        hall.tell("offline", Reason.REFUSED, "nobody listens", next_retry_s=9.0)
    hall.tell("offline", Reason.TIMEOUT, "no answer")
    hall.tell("connecting")
    hall.tell("live", None, "h264, 640x480 px")
    hall.tell("offline", Reason.REFUSED, "nobody listens")
    states = [home.receive(Status)[-1].message.state for _ in range(14)]
    assert states == [*("connecting", "offline") * 5, "offline", "connecting", "live", "offline"]
    home.stop.set()
    assert home.ended()
    told = [record.getMessage() for record in caplog.records if "hall: " in record.getMessage()]
    assert told[:-1] == [  # the last says that it was stopped
        "hall: connecting",
        "hall: offline REFUSED: nobody listens",
        "hall: offline TIMEOUT: no answer",
        "hall: live: h264, 640x480 px",
        "hall: offline REFUSED: nobody listens",
    ]


def test_a_dead_engine_ends_the_daemon_with_its_error(house):
    home = house("hall")
    home.recogniser.error = EngineDrift("the numbers drift")
    home.cameras["hall"].queue.put(stream_sample("hall"))
    assert home.ended()
    assert isinstance(home.error, EngineDrift)
    assert home.error.exit_code == 4


def test_a_late_subscriber_knows_the_state_at_once(house):
    home = house("hall")
    home.cameras["hall"].tell("live", None, "h264, 640x480 px")
    home.cameras["hall"].queue.put(stream_sample("hall"))
    home.receive(Prediction)
    late = Subscriber(home.endpoint)
    try:
        kinds = {}
        deadline_s = time.monotonic() + SOON_S
        while len(kinds) < 3 and time.monotonic() < deadline_s:
            if (item := late.receive(0.1)) is not None and item.message.replay:
                kinds[item.address.kind.kind] = item.message.seq
        assert kinds == {"meta": 0, "status": 0, "prediction": 0}
    finally:
        late.close()


def test_a_new_configuration_changes_what_it_names_and_nothing_else(house):
    home = house("hall", "yard", "attic")
    home.receive(Meta)
    hall, yard, attic = (home.cameras[name] for name in ("hall", "yard", "attic"))
    for camera in (hall, yard, attic):
        camera.tell("live")
        camera.queue.put(stream_sample(camera.camera.name, tick=0))
    home.receive(Prediction, 3)
    other = CameraConfig(name="yard", url="rtsp://camera.example/other")
    config = home.configured("hall", "cellar")
    home.read_again(msgspec.structs.replace(config, cameras=(*config.cameras, other)))
    (meta,) = (item.message for item in home.receive(Meta))
    assert meta.seq == 1
    assert [facts.camera for facts in meta.cameras] == ["hall", "cellar", "yard"]
    assert home.cameras["hall"] is hall
    assert hall.is_alive()
    assert not yard.is_alive()
    assert not attic.is_alive()
    assert home.cameras["yard"].epoch == 1
    assert home.cameras["cellar"].epoch == 0
    hall.queue.put(stream_sample("hall", tick=1))
    home.cameras["yard"].queue.put(stream_sample("yard", tick=0, epoch=1))
    found = {item.message.camera: item.message for item in home.receive(Prediction, 2)}
    assert (found["hall"].seq, found["hall"].window.frames) == (1, 2)
    assert (found["yard"].seq, found["yard"].stream_epoch) == (1, 1)
    assert sorted(home.recogniser.forgotten) == ["attic", "yard"]
    told = {m.camera: m for m in home.seen if isinstance(m, Status) and m.state == "ended"}
    assert set(told) == {"yard", "attic"}
    assert "taken out of the configuration" in told["attic"].detail
    assert not any(m.camera == "attic" for m in home.daemon._publisher.retained)
    assert list(home.ledger.snapshot.statuses) == ["hall", "yard"]
    assert [text.partition("=")[0] for text in home.systemd.texts].count("READY") == 2


def test_what_comes_late_of_a_camera_that_was_altered_is_passed_over(house):
    home = house("hall")
    old = home.cameras["hall"]
    home.receive(Meta)
    other = CameraConfig(name="hall", url="rtsp://camera.example/other")
    home.read_again(msgspec.structs.replace(home.config, cameras=(other,)))
    home.receive(Meta)
    old.tell("offline", Reason.STALL, "of the old one", epoch=0)
    home.cameras["hall"].tell("live", None, "of the new one", epoch=1)
    (told,) = (item.message for item in home.receive(Status))
    assert (told.detail, told.stream_epoch) == ("of the new one", 1)
    assert all(m.detail != "of the old one" for m in home.seen if isinstance(m, Status))


def test_a_bad_configuration_is_refused_whole_and_the_old_one_goes_on(house, caplog):
    home = house("hall", rules=(WAVING,))
    home.receive(Meta)
    bad = [
        ConfigError("camera[0].url: is empty"),
        home.configured("hall", "yard", bundle="other"),
        home.configured("hall", "yard", rules=(RuleConfig(name="r", labels=("wavee",)),)),
        msgspec.structs.replace(
            home.config, cameras=(CameraConfig(name="yard", url="scene:?size=0x0"),)
        ),
    ]
    for number, config in enumerate(bad):
        home.read_again(config)
        deadline_s = time.monotonic() + SOON_S
        while len(caplog.records) <= number and time.monotonic() < deadline_s:
            time.sleep(0.01)
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 4
    assert all(t.startswith("the new configuration is refused, and the old one") for t in texts)
    assert "camera[0].url: is empty" in texts[0]
    assert "bundle: can't be changed while the daemon runs" in texts[1]
    assert 'rule[r].labels: "wavee"' in texts[2]
    assert "size" in texts[3]
    assert list(home.cameras) == ["hall"]
    assert home.cameras["hall"].is_alive()
    home.cameras["hall"].queue.put(stream_sample("hall", tick=29))
    assert home.receive(EventChange)[0].message.rule == "greeting"


def test_a_rule_that_is_altered_ends_its_events_and_another_goes_on(house):
    other = msgspec.structs.replace(WAVING, name="other")
    home = house("hall", rules=(WAVING, other))
    home.cameras["hall"].queue.put(stream_sample("hall", tick=29))
    begun = {item.message.rule: item.message for item in home.receive(EventChange, 2)}
    stricter = msgspec.structs.replace(WAVING, enter=0.9)
    home.read_again(home.configured("hall", rules=(stricter, other)))
    (end,) = (item.message for item in home.receive(EventChange))
    assert (end.rule, end.phase, end.end_reason) == ("greeting", "end", "disabled")
    assert end.event_id == begun["greeting"].event_id
    home.cameras["hall"].queue.put(stream_sample("hall", tick=30))
    home.receive(Prediction)
    home.receive(Heartbeat)  # after whatever it made of events
    events = [m for m in home.seen if isinstance(m, EventChange)]
    assert [(m.rule, m.phase) for m in events[3:]] == []
    assert [event.rule for event in home.daemon._events.open_events] == ["other"]
