"""Source URLs: taken apart as people really write them, and masked before anyone else reads them.

Passwords come percent-encoded or not. A raw one may hold any character, so the usual splitting at
the first '/' fails on it, and an '@' of the path looks like one before a host. A URL that can be
read in two ways is refused: guessing wrong would ask the network for a piece of the password. Text
from elsewhere (FFmpeg puts whole URLs into its messages) goes through `mask_text`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

MASK = "***"

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+(?:%\w+)?\]|[\w.-]+)(?::(\d{1,5}))?")
_BEHIND_HOST = ("", "/", "?", "#")
_ENCODED = re.compile(r"(?:[^%]|%[0-9a-fA-F]{2})*")
_CONFIDENTIAL = (  # names of what follows them
    r"user_?name|user|usr|password|passwd|pass|pwd|pw|token|access_token|auth|key|api_?key|secret"
    r"|signature|sig|session|sid"
)
_QUERY_SECRET = re.compile(rf"((?:^|[?&;])(?:{_CONFIDENTIAL})=)[^&;#\s'\"]*", re.IGNORECASE)
# Some cameras take `/user=admin_password=secret_channel=1.sdp`: there `_name=` ends a value.
_PATH_SECRET = re.compile(
    rf"((?:^|[/_;&])(?:{_CONFIDENTIAL})=)(?:(?!_[a-zA-Z]+=)[^&;/\s'\"])*", re.IGNORECASE
)
# A URL inside a text ends at white space or a quote; what closes a sentence is not part of it.
# A bare `rtsp://,` is a word about URLs.
_URL_IN_TEXT = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s'\"<>]{2,}")
# `rtsp:/user:secret@host` and `user:secret@host`: mistyped, and no less secret.
_LOOSE_CREDENTIALS = re.compile(r"([^\s:/@'\"]*):(?!//)[^\s'\"]+@")
_SHORTEST_SECRET = 3  # masking every "1" of a text would hide the text, not the secret


@dataclass(frozen=True)
class Url:
    """A network URL in parts; user and password decoded, `path` with query and fragment as given.

    `str()` and `repr()` show it masked.
    """

    scheme: str
    user: str | None
    password: str | None = field(repr=False)
    host: str
    port: int | None
    path: str = field(repr=False)

    @property
    def address(self) -> str:
        """`host:port` as people write it, IPv6 in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def full(self) -> str:
        """With the credentials, percent-encoded: for FFmpeg, never for a person."""
        if self.user is None:
            return f"{self.scheme}://{self.address}{self.path}"
        credentials = quote(self.user, safe="")
        if self.password is not None:
            credentials += ":" + quote(self.password, safe="")
        return f"{self.scheme}://{credentials}@{self.address}{self.path}"

    @property
    def masked(self) -> str:
        """With the password and any secret of the query replaced by `***`."""
        before_query, mark, query = self.path.partition("?")
        shown = _PATH_SECRET.sub(rf"\g<1>{MASK}", before_query)
        shown += mark + _QUERY_SECRET.sub(rf"\g<1>{MASK}", query)
        if "@" in shown and not (self.user is None and self.port is None):
            # The address may be a piece of a raw password after all: show what is surely not.
            return f"{self.scheme}://{MASK}@{shown.rpartition('@')[2]}"
        credentials = ""
        if self.user is not None:
            credentials = self.user + ("" if self.password is None else f":{MASK}") + "@"
        return f"{self.scheme}://{credentials}{self.address}{shown}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The password as it may turn up in foreign texts: decoded and encoded."""
        if not self.password:
            return ()
        return tuple({self.password, quote(self.password, safe=""), quote(self.password)})

    def __str__(self) -> str:
        return self.masked


def is_network(url: str) -> bool:
    """True for anything with `scheme://` but a file."""
    match = _SCHEME.match(url)
    return match is not None and match[1].lower() != "file"


def parse(url: str) -> Url:
    """Takes `scheme://[user[:password]@]host[:port][/path][?query][#fragment]` apart.

    Raises ValueError with a sentence (that holds no secret) where there is no usable host, or where
    more than one thing may be meant for it.
    """
    scheme_match = _SCHEME.match(url)
    if scheme_match is None:
        raise ValueError("a network URL starts with its scheme, such as rtsp://")
    scheme, rest = scheme_match[1].lower(), url[scheme_match.end() :]
    try:
        credentials, rest = _split_credentials(rest)
    except _Ambiguous:
        raise ValueError(
            f"the {scheme} URL can be read in more than one way; percent-encode what is special in "
            "its password and path (@ as %40, / as %2F, : as %3A), or take the password from the "
            "environment, as ${NAME} in the configuration"
        ) from None
    host_match = _host_at(rest, 0)
    if host_match is None:
        raise ValueError(
            f"the {scheme} URL has no usable host; write it as {scheme}://user:password@host/path, "
            "with the password percent-encoded if it holds special characters"
        )
    host, port = host_match[1].strip("[]"), host_match[2]
    if port is not None and not 0 < int(port) < 65536:
        raise ValueError(f"port {port} of the {scheme} URL is not between 1 and 65535")
    user, password = None, None
    if credentials is not None:
        user, colon, secret = credentials.partition(":")
        user, password = decoded(user), decoded(secret) if colon else None
    return Url(
        scheme=scheme,
        user=user,
        password=password,
        host=host,
        port=None if port is None else int(port),
        path=rest[host_match.end() :],
    )


def mask(url: str) -> str:
    """A URL (or path) as it may be shown to anyone."""
    if not is_network(url):
        return _LOOSE_CREDENTIALS.sub(rf"\1:{MASK}@", url)
    try:
        return parse(url).masked
    except ValueError:
        scheme = url.partition("://")[0]
        # Unusable, so any of it may be the secret; ZeroMQ's endpoints have none.
        return url if scheme in ("tcp", "ipc") and "@" not in url else f"{scheme}://{MASK}"


def mask_text(text: str, secrets: Iterable[str] = ()) -> str:
    """Any text with the given secrets, and the secrets of every URL inside it, masked."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, MASK)
    text = _URL_IN_TEXT.sub(lambda match: mask(match[0]), text)
    return _LOOSE_CREDENTIALS.sub(rf"\1:{MASK}@", text)


class _Ambiguous(Exception):  # noqa: N818  (it says what is the case)
    """There is more than one way to read a URL."""


def _split_credentials(rest: str) -> tuple[str | None, str]:
    """`user:password@host/path` -> ("user:password", "host/path"); no credentials -> (None, rest).

    An address in figures needs no look-up, and hardly a password holds one: the first counts
    (before a query or a second URL, which may hold another). A name counts only where nothing else
    can be meant: neither a host with a port in front, nor an earlier '@' before something like a
    host, nor any later '@'.

    Raises _Ambiguous.
    """
    ats = [match.start() for match in re.finditer("@", rest)]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" not in authority and ":" not in authority:
        return None, rest  # any '@' is part of the path: there is no password without a ':'
    in_front = None if "@" in authority else _host_at(rest, 0)
    if not ats or (in_front is not None and _is_address(in_front[1])):
        return None, rest
    hosts = {at: host for at in ats if (host := _host_at(rest, at + 1)) is not None}
    inner = len(re.split(r"\?|://", rest, maxsplit=1)[0])
    addresses = [at for at, host in hosts.items() if at < inner and _is_address(host[1])]
    if not addresses and (in_front is not None or (hosts and list(hosts) != ats[-1:])):
        raise _Ambiguous
    at = next(iter(addresses or hosts), None)
    return (None, rest) if at is None else (rest[:at], rest[at + 1 :])


def _host_at(rest: str, place: int) -> re.Match[str] | None:
    """The host with its port that stands at `place`, if there is one."""
    host = _HOST.match(rest, place)
    return host if host is not None and rest[host.end() : host.end() + 1] in _BEHIND_HOST else None


def _is_address(host: str) -> bool:
    """Whether it is an IP address, which needs no look-up."""
    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True


def decoded(text: str) -> str:
    """Percent-decoded, if every '%' starts a proper code; else the text was given raw."""
    return unquote(text) if _ENCODED.fullmatch(text) else text
