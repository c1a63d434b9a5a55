"""What goes over a link, and what happens when the other end is gone."""

import socket
import struct
import threading

import numpy as np
import pytest

from stream.processes import link as link_module
from stream.processes.link import Link

SOON_S = 20.0


@pytest.fixture
def ends():
    one, other = socket.socketpair()
    links = Link(one), Link(other)
    yield links
    for link in links:
        link.close()


def test_objects_come_as_they_were_sent(ends):
    sent = [{"a": 1}, "text", np.arange(6, dtype=np.float32).reshape(2, 3), None]
    ends[0].send(sent)
    ends[0].send([])
    received = ends[1].receive(SOON_S)
    assert received[:2] == sent[:2]
    assert received[2].dtype == np.float32
    assert (received[2] == sent[2]).all()
    assert received[3] is None
    assert ends[1].receive(SOON_S) == []


def test_more_arrays_than_a_call_takes_and_more_bytes_than_a_socket_holds(ends):
    pictures = [np.full((40, 30, 3), number % 251, np.uint8) for number in range(3000)]
    pictures.append(np.zeros((0, 3), np.uint8))
    pictures.append(np.arange(4_000_000, dtype=np.int64))
    sender = threading.Thread(target=ends[0].send, args=(pictures,))
    sender.start()
    received = ends[1].receive(SOON_S)
    sender.join(SOON_S)
    assert len(received) == len(pictures)
    assert all((one == other).all() for one, other in zip(received, pictures, strict=True))


def test_two_threads_send_without_mixing(ends):
    def send(name):
        for number in range(200):
            ends[0].send([name, number, np.full(5000, number, np.int64)])

    senders = [threading.Thread(target=send, args=(name,)) for name in "ab"]
    for sender in senders:
        sender.start()
    last = {"a": -1, "b": -1}
    for _ in range(400):
        name, number, array = ends[1].receive(SOON_S)
        assert number == last[name] + 1
        assert (array == number).all()
        last[name] = number
    for sender in senders:
        sender.join(SOON_S)


def test_nothing_comes_in_time(ends):
    assert ends[1].receive(0.05) is None


@pytest.mark.parametrize("how", ["hang_up", "close"])
def test_the_other_end_has_gone(ends, how):
    getattr(ends[0], how)()
    with pytest.raises(EOFError):
        ends[1].receive(SOON_S)
    with pytest.raises(OSError, match="Broken pipe"):
        ends[1].send(["nobody"])


def test_a_message_may_come_in_pieces_and_late():
    one, other = socket.socketpair()
    with one, other:
        link = Link(one)
        big = threading.Thread(target=link.send, args=(["x" * 1_000_000],))
        big.start()
        assert Link(other).receive(0.01) == ["x" * 1_000_000]
        big.join(SOON_S)


def test_a_message_that_stops_midway(monkeypatch):
    monkeypatch.setattr(link_module, "MESSAGE_S", 0.1)
    one, other = socket.socketpair()
    with one, other:
        one.sendall(struct.pack("=IQ", 1, 1000) + b"only a part")
        with pytest.raises(TimeoutError):
            Link(other).receive(SOON_S)
