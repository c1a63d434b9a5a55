"""What the main thread notes, and what others then find."""

from stream.errors import Reason
from stream.events.evidence import Evidence
from tests.stream.operations.books import Books


def test_there_is_a_snapshot_from_the_first_heartbeat_on() -> None:
    books = Books()
    books.tell("hall", "live")
    assert books.ledger.snapshot is None
    books.beat()
    assert books.ledger.snapshot is not None
    assert books.ledger.snapshot.state("hall") == "live"
    assert books.ledger.snapshot.state("yard") == "connecting"  # nothing was told of it yet


def test_a_change_of_state_is_seen_before_the_next_heartbeat() -> None:
    books = Books()
    books.beat()
    books.tell("hall", "stalled", reason=Reason.STALL)
    assert books.ledger.snapshot.state("hall") == "stalled"


def test_a_snapshot_never_changes() -> None:
    books = Books()
    books.beat()
    before = books.ledger.snapshot
    books.predict("hall")
    books.event("hall")
    books.tell("hall", "offline")
    books.beat()
    assert before.latencies["hall"].at_most[-1] == 0
    assert before.events["moving", "start"] == 0
    assert before.state("hall") == "connecting"
    assert books.ledger.snapshot.latencies["hall"].at_most[-1] == 1
    assert books.ledger.snapshot.events == {("moving", "start"): 1, ("moving", "end"): 0}


def test_updates_and_rules_of_yesterday_are_not_counted() -> None:
    books = Books()
    books.event("hall", phase="update")
    books.event("hall", phase="end", rule="gone", end_reason="crash")
    books.event("hall", phase="end", evidence=Evidence())  # told again, with what was kept
    books.beat()
    assert books.ledger.snapshot.events == {("moving", "start"): 0, ("moving", "end"): 0}


def test_cameras_that_are_not_live_get_a_line_each() -> None:
    books = Books()
    books.beat()
    assert list(books.ledger.snapshot.away()) == ["hall: connecting", "yard: connecting"]
    books.tell("hall", "offline", reason=Reason.REFUSED, detail="nobody\nlistens")
    books.tell("yard", "live", reason=Reason.OVERLOAD, detail="too slow")
    assert list(books.ledger.snapshot.away()) == ["hall: offline REFUSED: nobody listens"]


def test_a_file_that_has_ended_is_not_away_unless_it_failed() -> None:
    books = Books()
    books.beat()
    books.tell("hall", "ended", detail="it has come to its end")
    books.tell("yard", "ended", reason=Reason.NOT_FOUND, detail="there is no file")
    assert list(books.ledger.snapshot.away()) == ["yard: ended NOT_FOUND: there is no file"]


def test_a_main_thread_that_does_not_go_round_is_noticed_after_five_seconds() -> None:
    books = Books()
    books.now_ns = 5_000_000_000
    assert not books.ledger.stands_still
    books.now_ns += 1
    assert books.ledger.stands_still
    books.ledger.turned()
    assert not books.ledger.stands_still
