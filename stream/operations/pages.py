"""The four pages for operators, and who may read them.

    /metrics    Prometheus' text format; 503 where there are no numbers, or only old ones
    /readyz     200 when every camera is live (a file may have ended), else a line for each other
    /livez      200 while the main thread goes round
    /startupz   200 once the engine is open and the cameras were started

Where there is a token, the first two want it, and the last two say nothing but yes or no.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from stream.operations.ledger import Ledger
from stream.operations.snapshot import Snapshot

PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back; an empty body stands for the status's own words."""

    status: HTTPStatus
    body: bytes = b""
    content_type: str = PLAIN
    headers: tuple[tuple[str, str], ...] = ()


def unavailable(*lines: str) -> Answer:
    """Not now, and why."""
    return Answer(HTTPStatus.SERVICE_UNAVAILABLE, "".join(f"{line}\n" for line in lines).encode())


class Pages:
    """Answers from the ledger alone; for any thread.

    Args:
        token: what a caller must bear; None asks nothing.
        metrics: makes the page of a snapshot, and says of what type it is.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        token: str | None,
        metrics: Callable[[Snapshot], bytes],
        metrics_type: str,
    ) -> None:
        self._ledger = ledger
        self._token = token
        self._metrics = metrics
        self._metrics_type = metrics_type
        self._page: tuple[Snapshot, bytes] | None = None  # the last one made

    def to(self, path: str, authorization: str | None) -> Answer:
        """The answer to a GET of this path, with this header."""
        match path.partition("?")[0]:
            case "/livez":
                return _yes_or_no(not self._ledger.stands_still)
            case "/startupz":
                return _yes_or_no(self._ledger.phase != "opening")
            case "/metrics":
                return self._metrics_page() if self._allows(authorization) else _UNAUTHORIZED
            case "/readyz":
                return self._readiness() if self._allows(authorization) else _UNAUTHORIZED
            case _:
                return Answer(
                    HTTPStatus.NOT_FOUND, b"there are /metrics, /readyz, /livez and /startupz\n"
                )

    def _allows(self, authorization: str | None) -> bool:
        if self._token is None:
            return True
        scheme, _, token = (authorization or "").strip().partition(" ")
        # In a time that does not tell how much of it was right.
        is_right = hmac.compare_digest(token.strip().encode(), self._token.encode())
        return scheme.lower() == "bearer" and is_right

    def _metrics_page(self) -> Answer:
        snapshot = self._ledger.snapshot
        if snapshot is None:
            return unavailable("there are no numbers before the engine is open")
        if self._ledger.stands_still:
            return unavailable(_STANDS_STILL)  # rather than old numbers that look new
        page = self._page
        if page is None or page[0] is not snapshot:  # once a snapshot, however many ask
            page = self._page = (snapshot, self._metrics(snapshot))
        return Answer(HTTPStatus.OK, page[1], self._metrics_type)

    def _readiness(self) -> Answer:
        ledger = self._ledger
        if ledger.phase == "stopping":
            return unavailable("the daemon is being stopped")
        if ledger.stands_still:
            return unavailable(_STANDS_STILL)
        if ledger.phase == "opening" or ledger.snapshot is None:
            return unavailable("the engine is being opened")
        away = list(ledger.snapshot.away())
        return unavailable(*away) if away else Answer(HTTPStatus.OK)


_STANDS_STILL = "the main thread stands still"
_UNAUTHORIZED = Answer(
    HTTPStatus.UNAUTHORIZED,
    b"this page needs the token of the configuration: Authorization: Bearer ...\n",
    headers=(("WWW-Authenticate", 'Bearer realm="gesta"'),),
)


def _yes_or_no(yes: bool) -> Answer:
    return Answer(HTTPStatus.OK if yes else HTTPStatus.SERVICE_UNAVAILABLE)
