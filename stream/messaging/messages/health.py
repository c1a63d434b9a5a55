"""How the cameras and the daemon are."""

from __future__ import annotations

from typing import Literal

from stream.errors import Reason
from stream.messaging.messages.message import Count, Message, Part

State = Literal["connecting", "live", "stalled", "offline", "ended"]

Shed = Literal["nothing", "samples", "flow"]


class Rates(Part, frozen=True, kw_only=True):
    """Over the last seconds.

    captured_fps: frames that came in.
    predictions_hz: predictions that were published.
    """

    captured_fps: float
    predictions_hz: float


class Status(Message, frozen=True, kw_only=True, tag="status"):
    """A camera's state, when it changes.

    state: `connecting`, `live`, `stalled` (connected, but nothing comes), `offline` (it can't be
        reached, and is tried again), `ended` (a file was played, the daemon
        was stopped, or its configuration has the camera no longer).
    reason: why it is not live, or why its stream began anew.
    detail: a sentence for people; empty where there is nothing to say.
    url: the camera's, with its password masked.
    last_frame_age_s: since the newest frame came; null before the first.
    reconnects: how often it has come back.
    next_retry_s: the pause before the next attempt; null where none is planned.
    """

    state: State
    reason: Reason | None
    detail: str
    url: str
    last_frame_age_s: float | None
    rates: Rates
    reconnects: Count
    next_retry_s: float | None


class CameraHealth(Part, frozen=True, kw_only=True):
    """One camera.

    camera: its name.
    state: as in its status.
    stream_epoch: the newest that was told.
    last_frame_age_s: since the newest frame came; null before the first.
    captured_fps: frames that came in, over the last seconds.
    predictions_hz: predictions that were published, over the last seconds.
    dropped: frames not used since its start, by cause, as in its predictions.
    queue_depth: samples that wait for the engine.
    """

    camera: str
    state: State
    stream_epoch: Count
    last_frame_age_s: float | None
    captured_fps: float
    predictions_hz: float
    dropped: dict[str, Count]
    queue_depth: Count


class Memory(Part, frozen=True, kw_only=True):
    """What the daemon holds, with the processes that capture for it.

    rss_bytes: resident in memory.
    """

    rss_bytes: Count


class Heartbeat(Message, frozen=True, kw_only=True, tag="heartbeat"):
    """The daemon lives.

    interval_s: between heartbeats.
    uptime_s: since the daemon began to watch.
    cameras: each of them.
    shedding: what is left out since this machine is too slow: `nothing`, some `samples`, or `flow`
        (RGB looks alone, and samples may be shed still).
    open_events: events that go on.
    last_inference_age_s: since the engine finished a step; rises when it is stuck. Null before the
        first.
    queues: how much waits, by queue: `samples:<camera>` for the engine, `results` to be published,
        `unstored` changes of events for the store.
    last_seq: the newest `seq` by topic, so that a loss shows before the topic's next message.
    """

    interval_s: float
    uptime_s: float
    cameras: tuple[CameraHealth, ...]
    open_events: Count
    last_inference_age_s: float | None
    queues: dict[str, Count]
    memory: Memory
    last_seq: dict[str, Count]
    shedding: Shed = "nothing"
