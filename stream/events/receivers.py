"""Where events are told outside, as the configuration says it."""

from __future__ import annotations

import math
import re
from typing import Annotated

import msgspec

from stream import url as urls
from stream.errors import ConfigError

_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_HOST = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*"
)
_TOPIC = re.compile(r"[a-zA-Z0-9_-]+(/[a-zA-Z0-9_-]+)*")


class WebhookConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where to post.

    url: http:// or https://, where a user and password may stand.
    secret: for the signature; none is sent where it is left out.
    ca: a file of certificates to trust in place of the public ones.
    """

    name: str
    url: str
    secret: str | None = None
    ca: str | None = None
    timeout_s: float = 10.0

    @property
    def host(self) -> str:
        """What of the URL may be shown: in a webhook's, the path is often a secret too."""
        url = urls.parse(self.url)
        return f"{url.scheme}://{url.address}"

    def check(self, path: str) -> None:
        """Raises ConfigError for what types alone can't say."""
        try:
            scheme = urls.parse(self.url).scheme
        except ValueError as error:
            raise ConfigError(f"{path}.url: {error}") from None
        if scheme not in ("http", "https"):
            raise ConfigError(
                f"{path}.url: {scheme}:// can't be posted to; use http:// or https://"
            )
        if self.secret is not None:
            encoded = self.secret.removeprefix("whsec_")
            if not encoded or (encoded != self.secret and _BASE64.fullmatch(encoded) is None):
                raise ConfigError(
                    f"{path}.secret: is empty, or no base64 after whsec_; leave it out to sign "
                    "nothing"
                )
        if not (math.isfinite(self.timeout_s) and 0 < self.timeout_s <= 60):
            raise ConfigError(
                f"{path}.timeout_s: must be a number of seconds up to 60, not {self.timeout_s}"
            )

    def __repr__(self) -> str:
        return f"WebhookConfig(name={self.name!r})"


class MqttConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An MQTT broker.

    tls: encrypt, and check the broker's certificate. ca: a file of certificates to trust in place
        of the public ones. cert, key: files of our own certificate, where the broker asks for one.
    base: the first part of every topic.
    discovery: the prefix under which Home Assistant looks for devices; "" announces nothing.
    """

    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None  # 1883, with TLS 8883
    user: str | None = None
    password: str | None = None
    tls: bool = False
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    base: str = "gesta"
    discovery: str = "homeassistant"

    @property
    def address(self) -> str:
        """As it may be shown."""
        return f"{self.host}:{self.port or (8883 if self.tls else 1883)}"

    def check(self, path: str) -> None:
        """Raises ConfigError for what types alone can't say."""
        if _HOST.fullmatch(self.host) is None or re.fullmatch(r"[^:]*:\d+", self.host):
            raise ConfigError(
                f"{path}.host: must be a host's name or address alone, such as 10.0.0.5"
            )
        for key in ("base", "discovery"):
            if _TOPIC.fullmatch(getattr(self, key)) is None and (key, getattr(self, key)) != (
                "discovery",
                "",
            ):
                raise ConfigError(
                    f"{path}.{key}: may hold only a-z, A-Z, 0-9, _, - and / between them"
                )
        if self.password is not None and self.user is None:
            raise ConfigError(f"{path}.user: a password needs a user beside it; add one")
        if not self.tls and (self.ca or self.cert or self.key):
            raise ConfigError(f"{path}.tls: certificates need tls = true; add it")
        if (self.cert is None) != (self.key is None):
            raise ConfigError(
                f"{path}.cert: a certificate needs its key, and a key its certificate"
            )

    def __repr__(self) -> str:
        return f"MqttConfig(host={self.host!r})"
