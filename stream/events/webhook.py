"""A webhook: each change of an event as an HTTP POST, signed as standardwebhooks.com says.

webhook-id: <event id>-<revision>      the same each time it is told: the idempotency key
webhook-timestamp: <seconds>           of the attempt
webhook-signature: v1,<base64>         HMAC-SHA256 of "<id>.<timestamp>.<body>", where there is
                                       a secret
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException

from urllib3.exceptions import HTTPError

from stream import url as urls
from stream.errors import ConfigError
from stream.events.courier import DeliveryError
from stream.events.event import Event
from stream.events.post import post
from stream.events.receivers import WebhookConfig
from stream.events.report import report
from stream.events.rule import RuleConfig
from stream.events.unreachable import reason_of

# It logs whole paths, in which webhooks keep their secrets.
logging.getLogger("urllib3").setLevel(logging.ERROR)


class Webhook:
    """A sink. Any answer but 2xx counts as not arrived; a redirection isn't followed.

    Raises:
        ConfigError: the certificates can't be read.
    """

    def __init__(
        self, config: WebhookConfig, *, node: str, utc_s: Callable[[], float] = time.time
    ) -> None:
        self.name = f"webhook:{config.name}"
        self._node = node
        self._utc_s = utc_s
        self._secret = None if config.secret is None else _key(config.secret)
        self._host = config.host
        url = urls.parse(config.url)
        self._url = f"{self._host}{url.path}"
        self._headers = {"content-type": "application/json", "user-agent": "gesta"}
        if url.user is not None:
            credentials = base64.b64encode(f"{url.user}:{url.password or ''}".encode())
            self._headers["authorization"] = f"Basic {credentials.decode()}"
        try:
            self._trusted = ssl.create_default_context(cafile=config.ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"webhook {config.name}: the certificates {config.ca} can't be read ({error})"
            ) from error
        self._timeout_s = config.timeout_s

    @property
    def is_away(self) -> bool:
        """Only a post would show it."""
        return False

    def open(self, connected: Callable[[], None]) -> None:
        """Each post connects by itself."""

    def tell(self, sequence: int, event: Event) -> None:
        """Posts one change."""
        body = report(sequence, event, node=self._node)
        key, moment = f"{event.event_id}-{event.revision}", str(int(self._utc_s()))
        headers = {**self._headers, "webhook-id": key, "webhook-timestamp": moment}
        headers["idempotency-key"] = key
        if self._secret is not None:
            signed = b".".join((key.encode(), moment.encode(), body))
            digest = hmac.new(self._secret, signed, hashlib.sha256).digest()
            headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
        try:
            status = post(self._url, body, headers, within_s=self._timeout_s, trusted=self._trusted)
        except (HTTPError, HTTPException, OSError) as error:
            raise DeliveryError(
                f"{self.name}: {self._host} can't be reached ({reason_of(error)})"
            ) from error
        if not 200 <= status < 300:
            raise DeliveryError(f"{self.name}: {self._host} answers {status}")

    def present(self, camera: str, here: bool) -> None:
        """A receiver of posts has no use for it."""

    def revise(self, cameras: Mapping[str, Sequence[RuleConfig]]) -> None:
        """Nor for this."""

    def close(self) -> None:
        """And closes it by itself."""


def _key(secret: str) -> bytes:
    """The bytes to sign with: Standard Webhooks writes them as whsec_ and base64."""
    if secret.startswith("whsec_"):
        return base64.b64decode(secret.removeprefix("whsec_"))
    return secret.encode()
