"""What a capture process reports, besides statuses, numbers and samples.

There are many of these a second, and named tuples are what pickles fastest.
"""

from __future__ import annotations

from logging import LogRecord
from typing import NamedTuple

from engine.arrays import U8
from stream.evidence.packet import Relayed
from stream.samples import StreamSample
from stream.status import CaptureSnapshot, StatusChange


class Gone(NamedTuple):
    """Its thread has ended: this camera's last report."""


class Cleared(NamedTuple):
    """See `engine.sight.Sight.clear`; so the next three."""


class Added(NamedTuple):
    """image: [h,w,3], at the model's scale, without what is outside of a region."""

    tick: int
    image: U8
    with_flow: bool


class Repeated(NamedTuple):
    """A tick without a frame."""

    tick: int


class Viewed(NamedTuple):
    """number: by which a sample refers to this view."""

    number: int
    tick: int
    with_flow: bool


SightCall = Cleared | Added | Repeated | Viewed


What = StatusChange | CaptureSnapshot | StreamSample | SightCall | Relayed | Gone


class Report(NamedTuple):
    """Of one camera."""

    key: int
    what: What


News = Report | LogRecord
