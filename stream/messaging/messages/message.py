"""What every message says, and the kinds of values that fields hold.

Times are UTC in RFC 3339 with microseconds, such as `2026-11-22T13:14:32.250000Z`. Probabilities
are float32 in their shortest decimal form: read as float32 they come back bit for bit.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Literal

import msgspec

VERSION = 1

Utc = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")]
Probability = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Count = Annotated[int, msgspec.Meta(ge=0)]


def utc(time_ns: int) -> str:
    """UTC nanoseconds since 1970 as RFC 3339 with microseconds."""
    seconds, rest_ns = divmod(time_ns, 1_000_000_000)
    return f"{_to_the_second(seconds)}.{rest_ns // 1000:06d}Z"


@lru_cache(maxsize=64)  # a message tells of times that lie close to each other
def _to_the_second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def time_ns(text: str) -> int:
    """UTC nanoseconds since 1970 of a message's time: the inverse of `utc`."""
    moment = datetime.fromisoformat(text)
    return (
        int(moment.replace(microsecond=0).timestamp()) * 1_000_000_000 + moment.microsecond * 1000
    )


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a message."""


class Message(Part, frozen=True, kw_only=True, tag_field="type"):
    """What every message says of itself.

    v: the version of the messages.
    type: the last word of the topic.
    id: unique; a repetition keeps it.
    site: the first word of the topic behind the version.
    node: the daemon, by its name in topics.
    boot: one id per daemon process.
    seq: counts from 0 without a gap per `boot` and topic. A hole is a lost message; a new
        `boot` begins again at 0.
    camera: the one that it is about; null where it is about the whole daemon.
    stream_epoch: rises by one wherever the camera's stream was interrupted: a reconnect, a hole, a
        new size, a jump of its clock. Null in events and where it is about the whole daemon.
    published_at: when it was written, by the daemon's clock.
    replay: true where it is repeated for a late subscriber; `id` and `seq` are the original's.
    """

    v: Literal[1]
    id: str
    site: str
    node: str
    boot: str
    seq: Count
    camera: str | None
    stream_epoch: Count | None
    published_at: Utc
    replay: bool
