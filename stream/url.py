"""Source URLs: taken apart as people really write them, and masked before anyone else reads them.

Passwords come percent-encoded or not. A raw one may hold any character, so the usual splitting at
the first '/' fails on it: here the '@' counts whose right-hand side looks most like a host. Text
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
_SURE = 2  # the best likeness of a host
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
        path, is_doubtful = self.path, False
        if "@" in path and not (self.user is None and self.port is None):
            # What was taken for the host may be a piece of a raw password: show what is surely not.
            path, is_doubtful = path.rpartition("@")[2], True
        before_query, mark, query = path.partition("?")
        query = mark + _QUERY_SECRET.sub(rf"\g<1>{MASK}", query)
        before_query = _PATH_SECRET.sub(rf"\g<1>{MASK}", before_query)
        if is_doubtful:
            return f"{self.scheme}://{MASK}@{before_query}{query}"
        credentials = ""
        if self.user is not None:
            credentials = self.user + ("" if self.password is None else f":{MASK}") + "@"
        return f"{self.scheme}://{credentials}{self.address}{before_query}{query}"

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

    Raises ValueError with a sentence (that holds no secret) where there is no usable host.
    """
    scheme_match = _SCHEME.match(url)
    if scheme_match is None:
        raise ValueError("a network URL starts with its scheme, such as rtsp://")
    scheme, rest = scheme_match[1].lower(), url[scheme_match.end() :]
    credentials, rest = _split_credentials(rest)
    host_match = _HOST.match(rest)
    if host_match is None or rest[host_match.end() : host_match.end() + 1] not in ("", *"/?#"):
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


def _split_credentials(rest: str) -> tuple[str | None, str]:
    """`user:password@host/path` -> ("user:password", "host/path"); no credentials -> (None, rest).

    Every '@' is a candidate. A dotted name, an address or a port to its right beats a bare word,
    which may be a piece of the password; among equals the first wins, since an '@' in the path is
    commoner than a bare-word host behind a password with a '/'. Behind a '?', which mostly begins
    the query, a second candidate needs an address or a port.
    """
    before_query = len(rest.partition("?")[0])
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" not in authority and (":" not in authority or _HOST.fullmatch(authority)):
        return None, rest  # a plain host; any '@' is part of the path
    best: tuple[int, int] | None = None
    for match in re.finditer("@", rest):
        right = rest[match.end() :]
        host = _HOST.match(right)
        if host is None or right[host.end() : host.end() + 1] not in ("", *"/?#"):
            continue
        score = _likeness(host[1], has_port=host[2] is not None)
        if match.start() > before_query and best is not None and score < _SURE:
            continue
        if best is None or score > best[0]:
            best = (score, match.start())
    if best is None:
        return None, rest
    return rest[: best[1]], rest[best[1] + 1 :]


def _likeness(host: str, *, has_port: bool) -> int:
    """How much a word looks like a host: 2 an address or with a port, 1 a dotted name, 0 a word."""
    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return _SURE if has_port else int("." in host.strip(".") or host == "localhost")
    return _SURE


def decoded(text: str) -> str:
    """Percent-decoded, if every '%' starts a proper code; else the text was given raw."""
    return unquote(text) if _ENCODED.fullmatch(text) else text
