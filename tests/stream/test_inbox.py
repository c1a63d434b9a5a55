import threading
import time

from stream.inbox import Inbox


def test_what_comes_is_handed_out_in_order_and_in_portions():
    inbox = Inbox()
    for number in range(5):
        assert inbox.put(number)
    assert inbox.depth == 5
    assert inbox.take(0, at_most=3) == [0, 1, 2]
    assert inbox.take(0) == [3, 4]
    assert inbox.take(0.01) == []


def test_whoever_puts_into_a_full_one_waits_and_is_let_go_when_it_closes():
    inbox = Inbox(capacity=1)
    assert inbox.put("first")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(inbox.put("second")))
    thread.start()
    time.sleep(0.2)
    assert answers == []
    inbox.close()
    thread.join(10)
    assert answers == [False]


def test_whoever_waits_goes_on_as_soon_as_there_is_room():
    inbox = Inbox(capacity=1)
    inbox.put("first")
    thread = threading.Thread(target=inbox.put, args=["second"])
    thread.start()
    assert inbox.take(10) == ["first"]
    assert inbox.take(10) == ["second"]
    thread.join(10)
