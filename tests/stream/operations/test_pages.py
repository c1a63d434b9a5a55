"""Which page says what, and to whom."""

from http import HTTPStatus

import pytest

from stream.errors import Reason
from stream.operations.pages import Pages
from tests.stream.operations.books import Books

TOKEN = "0123456789abcdef-._~+/="
OK, GONE = HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE


class Asked:
    """Answers over a ledger, with a page of metrics that counts how often it is made."""

    def __init__(self, token: str | None = None) -> None:
        self.books = Books()
        self.made = 0
        self.answers = Pages(
            self.books.ledger, token=token, metrics=self._page, metrics_type="text/x-metrics"
        )

    def _page(self, snapshot):
        self.made += 1
        return b"gesta_numbers 1\n"

    def __call__(self, path, authorization=None):
        answer = self.answers.to(path, authorization)
        return answer.status, answer.body.decode()


def test_before_the_engine_is_open() -> None:
    asked = Asked()
    asked.books.ledger.phase = "opening"
    assert asked("/livez") == (OK, "")
    assert asked("/startupz") == (GONE, "")
    assert asked("/readyz") == (GONE, "the engine is being opened\n")
    assert asked("/metrics") == (GONE, "there are no numbers before the engine is open\n")


def test_a_daemon_that_is_well() -> None:
    asked = Asked()
    asked.books.beat()
    asked.books.tell("hall", "live")
    asked.books.tell("yard", "ended")
    for path in ("/livez", "/startupz", "/readyz", "/readyz?verbose"):
        assert asked(path) == (OK, "")
    assert asked("/metrics") == (OK, "gesta_numbers 1\n")
    assert asked.answers.to("/metrics", None).content_type == "text/x-metrics"


def test_cameras_that_are_away_are_named_and_the_daemon_lives() -> None:
    asked = Asked()
    asked.books.beat()
    asked.books.tell("hall", "offline", reason=Reason.AUTH, detail="it refuses the password")
    assert asked("/readyz") == (
        GONE,
        "hall: offline AUTH: it refuses the password\nyard: connecting\n",
    )
    assert asked("/livez") == asked("/startupz") == (OK, "")


def test_a_main_thread_that_stands_still_is_told_and_its_old_numbers_are_not() -> None:
    asked = Asked()
    asked.books.beat()
    asked.books.now_ns += 6_000_000_000
    assert asked("/livez") == (GONE, "")
    for path in ("/readyz", "/metrics"):
        assert asked(path) == (GONE, "the main thread stands still\n")
    asked.books.ledger.turned()
    assert asked("/livez") == (OK, "")
    assert asked("/metrics")[0] == OK


def test_a_daemon_that_is_being_stopped_lives_and_is_not_ready() -> None:
    asked = Asked()
    asked.books.beat()
    asked.books.ledger.phase = "stopping"
    assert asked("/readyz") == (GONE, "the daemon is being stopped\n")
    assert asked("/livez") == asked("/startupz") == (OK, "")


def test_the_numbers_are_written_out_once_however_many_ask() -> None:
    asked = Asked()
    asked.books.beat()
    for _ in range(5):
        asked("/metrics")
    assert asked.made == 1
    asked.books.beat()
    asked("/metrics")
    assert asked.made == 2


@pytest.mark.parametrize("path", ["/", "", "/metrics/", "//metrics", "/secret", "*", "http://x/"])
def test_nothing_else_is_there(path: str) -> None:
    status, text = Asked()(path)
    assert status == HTTPStatus.NOT_FOUND
    assert "/readyz" in text


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x",
     f"Bearer {TOKEN[:-1]}", "Bearer ÿÿÿÿ", f"Bearer {TOKEN} {TOKEN}"],
)  # fmt: skip
def test_without_the_token_nothing_is_told_but_yes_and_no(header: str | None) -> None:
    asked = Asked(TOKEN)
    asked.books.beat()
    for path in ("/metrics", "/readyz"):
        answer = asked.answers.to(path, header)
        assert answer.status == HTTPStatus.UNAUTHORIZED
        assert ("WWW-Authenticate", 'Bearer realm="gesta"') in answer.headers
        assert b"hall" not in answer.body
    assert asked.made == 0
    assert asked("/livez", header) == asked("/startupz", header) == (OK, "")


def test_with_the_token_everything_is_told() -> None:
    asked = Asked(TOKEN)
    asked.books.beat()
    for header in (f"Bearer {TOKEN}", f"bearer   {TOKEN} "):
        assert asked("/metrics", header)[0] == OK
        assert asked("/readyz", header) == (GONE, "hall: connecting\nyard: connecting\n")
