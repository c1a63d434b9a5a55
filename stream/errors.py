"""What can go wrong in the daemon.

    StreamError                70  (never raised itself)
    ├── ConfigError             2  the command line, the configuration file, a name, a secret
    ├── SourceError             3  a camera or a file; carries a Reason for the status message
    ├── PublishError            5  an endpoint can't be bound, or an output not be written
    ├── StoreError              5  the event store can't be opened, read or written
    └── FrameGone              70  a reader asked the ring for a tick that it no longer holds

A message says what happened and what to do, in a sentence or two, and never holds a secret.
"""

# ruff: noqa: N818  (a name that says what happened needs no suffix)

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class Reason(StrEnum):
    """Why a camera is not live, or why its epoch ended; published as it stands.

    AUTH: the camera refuses the user name or the password.
    NOT_FOUND: there is no such host, path, device or file.
    REFUSED: it refuses the connection, or another program has it.
    TIMEOUT: it does not answer in time.
    TLS: there is no secure connection to it.
    CODEC: what it sends is no video that can be read.
    STALL: nothing came for too long.
    CONNECTION_LOST: the connection broke.
    SIZE_CHANGE: the picture's size has changed.
    CLOCK_JUMP: its timestamps jumped.
    OVERLOAD: this machine is too slow for it.
    PERMISSION: the device or file may not be read.
    """

    AUTH = "AUTH"
    NOT_FOUND = "NOT_FOUND"
    REFUSED = "REFUSED"
    TIMEOUT = "TIMEOUT"
    TLS = "TLS"
    CODEC = "CODEC"
    STALL = "STALL"
    CONNECTION_LOST = "CONNECTION_LOST"
    SIZE_CHANGE = "SIZE_CHANGE"
    CLOCK_JUMP = "CLOCK_JUMP"
    OVERLOAD = "OVERLOAD"
    PERMISSION = "PERMISSION"


class StreamError(Exception):
    """Any error with a sentence for the user; the command ends with `exit_code`."""

    exit_code: ClassVar[int] = 70


class ConfigError(StreamError):
    """The configuration can't be used; the message names the key's path."""

    exit_code: ClassVar[int] = 2


class SourceError(StreamError):
    """A source can't be opened or read; `reason` is what the status message publishes."""

    exit_code: ClassVar[int] = 3

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class PublishError(StreamError):
    """The publisher, or the operators' HTTP side, can't bind; or an output can't be written."""

    exit_code: ClassVar[int] = 5


class StoreError(StreamError):
    """The event store can't be opened, read or written."""

    exit_code: ClassVar[int] = 5


class FrameGone(StreamError):
    """The ring no longer holds (or never held) the tick that was asked for."""
