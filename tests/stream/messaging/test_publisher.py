"""Publisher and subscriber over a real loopback socket."""

import socket
import threading
import time

import msgspec
import pytest
import zmq

from stream.errors import PublishError
from stream.messaging.publisher import Publisher
from stream.messaging.subscriber import Subscriber
from tests.stream.messaging.samples_of_messages import (
    envelope,
    event,
    explain,
    heartbeat,
    meta,
    prediction,
    status,
)

SOON_S = 5.0


@pytest.fixture
def publisher():
    made = Publisher("tcp://127.0.0.1:*")
    yield made
    made.close(orderly=False)


@pytest.fixture
def subscribe(publisher):
    made = []

    def connect(*prefixes, **options):
        subscriber = Subscriber(publisher.endpoint, prefixes or ("gesta/1/",), **options)
        made.append(subscriber)
        return subscriber

    yield connect
    for subscriber in made:
        subscriber.close()


def take(publisher, subscriber, count=1):
    """Serves until so many messages came; what else came would be in the way of the next take."""
    received = []
    deadline_s = time.monotonic() + SOON_S
    while len(received) < count and time.monotonic() < deadline_s:
        publisher.serve()
        if item := subscriber.receive(0.01):
            received.append(item)
    assert len(received) == count
    return received


def nothing_more(publisher, subscriber, for_s=0.3):
    deadline_s = time.monotonic() + for_s
    while time.monotonic() < deadline_s:
        publisher.serve()
        assert subscriber.receive(0.01) is None


def joined(publisher, subscriber, sender):
    """Returns once the subscriber hears the publisher."""
    publisher.send(meta(sender))
    take(publisher, subscriber)


def test_a_late_subscriber_gets_the_last_word_at_once_marked_replay(publisher, subscribe):
    sender = envelope()
    sent = [meta(sender), status(sender), prediction(sender), prediction(sender), heartbeat(sender)]
    for message in sent:
        publisher.send(message)
    received = take(publisher, late := subscribe(), count=3)
    by_type = {type(item.message).__name__: item.message for item in received}
    assert set(by_type) == {"Meta", "Status", "Prediction"}  # an old heartbeat would be a lie
    assert all(message.replay for message in by_type.values())
    last = sent[3]
    assert (by_type["Prediction"].id, by_type["Prediction"].seq) == (last.id, 1)
    assert msgspec.structs.replace(by_type["Prediction"], replay=False) == last
    nothing_more(publisher, late)


def test_a_late_subscriber_hears_of_every_event_that_goes_on_and_of_no_other(publisher, subscribe):
    sender = envelope()
    told = [("a", 0, "start"), ("b", 0, "start"), ("a", 1, "update"), ("c", 0, "start")]
    for event_id, revision, phase in [*told, ("c", 1, "end")]:
        publisher.send(event(sender, event_id=event_id, revision=revision, phase=phase))
    received = take(publisher, late := subscribe("gesta/1/home/cam0/event/"), count=2)
    told = {item.message.event_id: (item.message.phase, item.message.replay) for item in received}
    assert told == {"a": ("update", True), "b": ("start", True)}
    take(publisher, subscribe("gesta/1/home/cam0/event/"), count=2)  # repeated for another one
    nothing_more(publisher, late)
    publisher.send(event(sender, event_id="b", revision=1, phase="end"))
    (end,) = take(publisher, late)
    assert (end.message.event_id, end.message.phase) == ("b", "end")
    assert late.lost_total == 0


def test_a_subscriber_gets_what_its_prefix_matches_and_its_daemons_heartbeats(publisher, subscribe):
    sender = envelope()
    for camera in ("cam1", "cam10"):
        publisher.send(prediction(sender, camera))
    only = subscribe("gesta/1/home/cam1/")
    assert take(publisher, only)[0].topic == "gesta/1/home/cam1/prediction/"
    publisher.send(prediction(sender, "cam10"))
    publisher.send(heartbeat(sender))
    assert take(publisher, only)[0].topic == "gesta/1/home/node/box/heartbeat/"
    nothing_more(publisher, only)


def test_who_was_there_is_not_told_twice_when_somebody_else_comes(publisher, subscribe):
    sender = envelope()
    early = subscribe()
    joined(publisher, early, sender)
    publisher.send(prediction(sender))
    take(publisher, early)
    late = subscribe()
    assert len(take(publisher, late, count=2)) == 2
    nothing_more(publisher, early)


def test_blobs_travel_with_their_message(publisher, subscribe):
    sender, reader = envelope(), subscribe()
    joined(publisher, reader, sender)
    publisher.send(explain(sender), [b"jpeg", bytes(25), bytes(25)])
    (received,) = take(publisher, reader)
    assert received.blobs == (b"jpeg", bytes(25), bytes(25))


def test_a_slow_subscriber_loses_messages_and_sees_it_and_never_slows_the_daemon(
    publisher, subscribe
):
    sender = envelope()
    slow = subscribe(high_water_mark=10)
    joined(publisher, slow, sender)
    publisher.send(prediction(sender))
    take(publisher, slow)
    count = 30_000  # about 50 MB: more than any buffer between the two
    started_s = time.monotonic()
    longest_s = 0.0
    for _ in range(count):
        message = prediction(sender)
        before_s = time.monotonic()
        publisher.send(message)
        longest_s = max(longest_s, time.monotonic() - before_s)
    assert time.monotonic() - started_s < 60
    assert longest_s < 1.0
    got = 0
    while slow.receive(0.2):
        got += 1
    publisher.send(heartbeat(sender))
    received = take(publisher, slow)[0].message
    assert received.last_seq["gesta/1/home/cam0/prediction/"] == count
    assert slow.lost["gesta/1/home/cam0/prediction/"] == count - got > 0


def test_the_heartbeat_shows_a_loss_before_the_topics_next_message(publisher, subscribe):
    sender, reader = envelope(), subscribe()
    joined(publisher, reader, sender)
    publisher.send(prediction(sender))
    take(publisher, reader)
    prediction(sender)  # numbered, and never sent: what a full buffer does
    publisher.send(heartbeat(sender))
    take(publisher, reader)
    assert reader.lost_total == 1
    publisher.send(prediction(sender))
    take(publisher, reader)
    assert reader.lost_total == 1


def test_a_new_boot_is_no_loss(publisher, subscribe):
    reader = subscribe()
    joined(publisher, reader, before := envelope())
    for _ in range(5):
        publisher.send(prediction(before))
    take(publisher, reader, count=5)
    after = envelope()
    publisher.send(heartbeat(after))
    publisher.send(prediction(after))
    assert [item.message.boot for item in take(publisher, reader, count=2)] == [after.boot] * 2
    assert reader.lost_total == 0


def test_silence_is_told_from_quiet(publisher):
    now_ns = 0
    reader = Subscriber(publisher.endpoint, clock_ns=lambda: now_ns)
    try:
        assert reader.heartbeat_age_s is None
        assert not reader.alive
        joined(publisher, reader, sender := envelope())
        publisher.send(heartbeat(sender))
        take(publisher, reader)
        now_ns = 3_000_000_000
        assert reader.alive
        now_ns = 3_100_000_000
        assert not reader.alive
    finally:
        reader.close()


def test_a_message_of_another_form_is_counted_and_passed_over(publisher, subscribe):
    sender, reader = envelope(), subscribe()
    joined(publisher, reader, sender)
    topic = b"gesta/1/home/cam0/prediction/"
    for parts in ([topic, b"no json"], [topic], [topic, b'{"v":1}'], [b"gesta/1/x", b"{}"]):
        publisher._socket.zmq.send_multipart(parts)
    publisher.send(prediction(sender))
    assert take(publisher, reader)[0].message.seq == 0
    assert reader.unreadable == 3


def test_a_port_in_use_is_a_sentence(publisher):
    with pytest.raises(PublishError, match="is in use") as caught:
        Publisher(publisher.endpoint)
    assert caught.value.exit_code == 5


def test_an_address_that_is_not_here_is_a_sentence():
    with pytest.raises(PublishError, match="has no address"):
        Publisher("tcp://192.0.2.1:5599", insecure=True)
    with pytest.raises(PublishError, match="folder is missing"):
        Publisher("ipc:///no/such/folder/gesta.sock")


def test_others_can_not_be_let_in_by_accident():
    with pytest.raises(PublishError, match="--insecure"):
        Publisher("tcp://0.0.0.0:0")


def test_a_unix_socket_and_ipv6_work_too(tmp_path):
    endpoints = [f"ipc://{tmp_path}/gesta.sock", "tcp://localhost:*"]
    if socket.has_ipv6 and _has_ipv6_loopback():
        endpoints.append("tcp://[::1]:*")
    for endpoint in endpoints:
        publisher = Publisher(endpoint)
        reader = Subscriber(publisher.endpoint)
        try:
            publisher.send(meta(envelope()))
            assert take(publisher, reader)[0].topic == "gesta/1/home/node/box/meta/"
        finally:
            reader.close()
            publisher.close(orderly=False)


def _has_ipv6_loopback():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_hostile_clients_do_not_matter(publisher, subscribe):
    sender, reader = envelope(), subscribe()
    joined(publisher, reader, sender)
    with _connection(publisher.endpoint) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" * 100)
    context = zmq.Context()
    odd = context.socket(zmq.XSUB)
    odd.setsockopt(zmq.LINGER, 0)
    try:
        odd.connect(publisher.endpoint)
        for frame in (
            b"",
            b"\x02",
            b"\xff\xff",
            b"\x00never asked",
            b"hi",
            b"\x01" + b"\xfe" * 500,
        ):
            odd.send(frame)
        for _ in range(500):
            publisher.serve()
            publisher.send(prediction(sender))
        assert [item.message.seq for item in take(publisher, reader, count=500)] == list(range(500))
    finally:
        odd.close()
        context.term()


def test_whoever_sends_a_huge_subscription_is_hung_up_on(publisher, subscribe):
    sender, reader = envelope(), subscribe()
    joined(publisher, reader, sender)
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL".ljust(54, b"\0") + b""
    ready = b"\x05READY" + b"\x0bSocket-Type" + b"\x00\x00\x00\x03SUB"
    huge = 5_000_000
    with _connection(publisher.endpoint) as hostile:
        hostile.sendall(greeting.ljust(64, b"\0"))
        hostile.sendall(b"\x04" + bytes([len(ready)]) + ready)
        hostile.sendall(b"\x02" + huge.to_bytes(8, "big"))
        hung_up = False
        try:
            for _ in range(50):
                hostile.sendall(b"\x01" * 100_000)
                publisher.serve()
                time.sleep(0.01)
            while hostile.recv(1000):
                pass
            hung_up = True
        except ConnectionError:
            hung_up = True
        assert hung_up
    publisher.send(prediction(sender))
    assert take(publisher, reader)[0].message.seq == 0


def _connection(endpoint):
    host, port = endpoint.removeprefix("tcp://").split(":")
    return socket.create_connection((host, int(port)), timeout=SOON_S)


def test_many_subscriptions_cause_few_repetitions():
    now_ns = 10**9
    publisher = Publisher("tcp://127.0.0.1:*", clock_ns=lambda: now_ns)
    watcher = zmq.Context()
    eager = watcher.socket(zmq.SUB)
    eager.setsockopt(zmq.LINGER, 0)
    try:
        publisher.send(meta(envelope()))
        eager.connect(publisher.endpoint)
        deadline_s = time.monotonic() + 1.0
        for _ in range(50):
            eager.setsockopt(zmq.SUBSCRIBE, b"gesta")
        received = 0
        while time.monotonic() < deadline_s and received < 3:
            publisher.serve()
            if eager.poll(20):
                eager.recv_multipart()
                received += 1
        assert (
            1 <= received <= 2
        )  # the clock stands still: one now, and one that would be due later
    finally:
        eager.close()
        watcher.term()
        publisher.close(orderly=False)


def test_only_its_own_thread_may_publish(publisher):
    raised = []

    def intrude():
        try:
            publisher.send(meta(envelope()))
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=intrude)
    thread.start()
    thread.join(SOON_S)
    assert len(raised) == 1


def test_an_orderly_close_lets_the_last_words_out_and_a_hasty_one_waits_for_nobody():
    publisher = Publisher("tcp://127.0.0.1:*")
    reader = Subscriber(publisher.endpoint)
    try:
        sender = envelope()
        joined(publisher, reader, sender)
        for _ in range(200):
            publisher.send(prediction(sender))
        publisher.close(orderly=True)
        assert sum(reader.receive(1.0) is not None for _ in range(200)) == 200
    finally:
        reader.close()


def test_a_close_is_over_in_time_though_a_subscriber_is_stuck():
    publisher = Publisher("tcp://127.0.0.1:*")
    stuck = Subscriber(publisher.endpoint, high_water_mark=1)
    try:
        sender = envelope()
        joined(publisher, stuck, sender)
        for _ in range(20_000):
            publisher.send(prediction(sender))
        started_s = time.monotonic()
        publisher.close(orderly=True)
        assert time.monotonic() - started_s < 1.0
    finally:
        stuck.close()
