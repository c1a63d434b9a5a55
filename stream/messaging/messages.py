"""The messages, version 1: what a subscriber reads, field by field.

A message travels as ZeroMQ parts `[topic, json, blob...]`; these types are the json. They are
also the source of the JSON Schemas in `schemas/` (see `schema.py`). Within a version, changes
only add fields.

Times are UTC in RFC 3339 with microseconds, such as `2026-11-22T13:14:32.250000Z`. Probabilities
are float32 in their shortest decimal form: read as float32 they come back bit for bit.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec

from stream.errors import Reason
from stream.events.event import EndReason, Phase
from stream.events.evidence import Evidence
from stream.events.rule import Severity

VERSION = 1

Utc = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")]
Probability = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Clock = Literal["rtcp", "arrival", "device", "file"]
State = Literal["connecting", "live", "stalled", "offline", "ended"]


def utc(time_ns: int) -> str:
    """UTC nanoseconds since 1970 as RFC 3339 with microseconds."""
    seconds, rest_ns = divmod(time_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest_ns // 1000:06d}Z"


def time_ns(text: str) -> int:
    """UTC nanoseconds since 1970 of a message's time: the inverse of `utc`."""
    moment = datetime.fromisoformat(text)
    return (
        int(moment.replace(microsecond=0).timestamp()) * 1_000_000_000 + moment.microsecond * 1000
    )


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a message."""


class Message(Part, frozen=True, kw_only=True, tag_field="type"):
    """What every message says of itself. `type` is the last word of its topic.

    `seq` counts from 0 without a gap per `boot` (one per daemon process) and topic, so a hole in
    it is a lost message. `replay` marks a message repeated for a late subscriber: `id` and `seq`
    stay, so whoever has it already can tell.
    """

    v: Literal[1]
    id: str
    site: str
    node: str
    boot: str
    seq: Count
    camera: str | None  # None: the message is about the whole daemon
    stream_epoch: Count | None  # rises by one wherever the camera's stream was interrupted
    published_at: Utc
    replay: bool


# --- prediction ---------------------------------------------------------------------------------


class Latency(Part, frozen=True, kw_only=True):
    """Where the time went, in milliseconds, from the newest frame's arrival."""

    capture: float  # frame in hand -> sample ready: decode, resize, flow stack
    queue: float  # waiting for the inference thread
    rgb: float  # the RGB graph, shared by the whole batch
    flow: float  # the flow graph
    head: float  # attention lanes, fusion, calibration
    publish: float  # recognised -> handed to the socket
    capture_to_publish: float  # capture_end -> published_at, by the clock named beside


class Time(Part, frozen=True, kw_only=True):
    """When the cameras saw what the prediction is about."""

    capture_start: Utc  # the window's oldest frame
    capture_end: Utc  # the window's newest frame
    position_s: float  # of the newest frame, since the stream epoch's first, on the grid
    clock: Clock  # whose clock: the sender's report, arrival here, the device's, the file's
    uncertainty_ms: float
    latency_ms: Latency


class Window(Part, frozen=True, kw_only=True):
    """The frames that the prediction stands on."""

    frames: Count
    fill: Probability  # 1 when the window is full
    complete: bool  # full, and nothing shed in it
    repeated: Count  # of `frames`: without a picture of their own, the one before stands in
    shed: Count  # of `repeated`: for they were dropped under overload


class TopLabel(Part, frozen=True, kw_only=True):
    """One of the likeliest labels, with each stream's own opinion."""

    label: str
    p: Probability
    p_rgb: Probability
    p_flow: Probability


class Attention(Part, frozen=True, kw_only=True):
    """Where in time the model looked."""

    temporal: tuple[Probability, ...]  # [N·k], oldest first; each segment of k sums to 1


class Model(Part, frozen=True, kw_only=True):
    """What computed the prediction."""

    bundle: str
    sha256: str
    runner: str
    precision: str
    flow: str


class Prediction(Message, frozen=True, kw_only=True, tag="prediction"):
    """Which action is going on, from one sample of one camera."""

    time: Time
    window: Window
    dropped: dict[str, Count]  # frames not used, by cause, since the camera's start
    modality: Literal["rgb+flow", "rgb"]
    probabilities: tuple[Probability, ...]  # [C], in the order of meta's classes
    top: tuple[TopLabel, ...]  # likeliest first
    abstain: bool  # the model would rather not say
    entropy: float  # nats
    attention: Attention
    model: Model
    truth: str | None = None  # what a drawn scene really performs; null for any other source


# --- event --------------------------------------------------------------------------------------


class Peak(Part, frozen=True, kw_only=True):
    """The highest probability of the rule's labels together."""

    p: Probability
    at: Utc


class Thresholds(Part, frozen=True, kw_only=True):
    """What the rule said when the event began."""

    enter: Probability
    exit: Probability
    min_duration_s: float
    merge_gap_s: float


class EventChange(Message, frozen=True, kw_only=True, tag="event"):
    """An action began, goes on, or is over. An event has one `event_id` for life.

    `start` is the newest frame of the first prediction at or above `enter`; the action itself began
    up to `onset_uncertainty_s` before. `end` is the last one at or above `exit`.
    """

    event_id: str
    phase: Phase
    revision: Count  # rises by one with each change of the event, from 0
    sequence: Count | None  # its number in the event store; null where it could not be stored
    rule: str
    label: str  # the likeliest of the rule's labels at the peak
    severity: Severity
    start: Utc
    end: Utc | None
    duration_s: float  # so far
    onset_uncertainty_s: float
    peak: Peak
    thresholds: Thresholds
    end_reason: EndReason | None
    evidence: Evidence | None = None  # comes in a later revision of phase `end`


# --- explain ------------------------------------------------------------------------------------


class JpegBlob(Part, frozen=True, kw_only=True):
    """The newest frame at model scale; `crop` is the part that the model sees."""

    blob: Count  # its place among the blobs, from 0
    width: Count
    height: Count
    crop: tuple[Count, Count, Count, Count]  # left, top, width, height, in this picture's pixels


class MapBlob(Part, frozen=True, kw_only=True):
    """Spatial attention over the crop: uint8 rows, top to bottom; weight = value / 255 · peak."""

    blob: Count
    width: Count
    height: Count
    peak: Probability  # the map sums to 1; this is its largest weight


class Explain(Message, frozen=True, kw_only=True, tag="explain"):
    """Where in the picture the model looked; only for cameras with `explain = true`."""

    prediction_seq: Count  # the prediction it belongs to
    capture_end: Utc
    frame: JpegBlob
    attention_rgb: MapBlob
    attention_flow: MapBlob


# --- status -------------------------------------------------------------------------------------


class Rates(Part, frozen=True, kw_only=True):
    """Over the last seconds."""

    captured_fps: float
    predictions_hz: float


class Status(Message, frozen=True, kw_only=True, tag="status"):
    """A camera's state; sent when it changes."""

    state: State
    reason: Reason | None
    detail: str  # a sentence for people
    url: str  # without its password
    last_frame_age_s: float | None
    rates: Rates
    reconnects: Count
    next_retry_s: float | None


# --- heartbeat ----------------------------------------------------------------------------------


class CameraHealth(Part, frozen=True, kw_only=True):
    """One camera, as the heartbeat sees it."""

    camera: str
    state: State
    stream_epoch: Count
    last_frame_age_s: float | None
    captured_fps: float
    predictions_hz: float
    dropped: dict[str, Count]  # frames not used, by cause, since the start
    queue_depth: Count


class Memory(Part, frozen=True, kw_only=True):
    """What the process holds."""

    rss_bytes: Count


class Heartbeat(Message, frozen=True, kw_only=True, tag="heartbeat"):
    """The daemon lives. None for three intervals: it does not, or it can't be reached.

    `last_seq` holds each topic's newest `seq`, so a subscriber sees a loss without
    having to wait for that topic's next message.
    """

    interval_s: float
    uptime_s: float
    cameras: tuple[CameraHealth, ...]
    open_events: Count
    last_inference_age_s: float | None  # rises when the accelerator is stuck
    queues: dict[str, Count]  # depth by name
    memory: Memory
    last_seq: dict[str, Count]


# --- meta ---------------------------------------------------------------------------------------


class BundleFacts(Part, frozen=True, kw_only=True):
    """The bundle in use."""

    name: str
    version: str
    sha256: str
    backbone: str
    licence: str


class GridFacts(Part, frozen=True, kw_only=True):
    """How the bundle samples time."""

    grid_fps: float
    sample_every: Count
    window_samples: Count
    window_s: float
    prediction_hz: float


class CameraFacts(Part, frozen=True, kw_only=True):
    """A camera that this daemon watches."""

    camera: str
    url: str  # without its password


class Meta(Message, frozen=True, kw_only=True, tag="meta"):
    """What a subscriber needs to read the rest."""

    classes: tuple[str, ...]
    bundle: BundleFacts
    grid: GridFacts
    rules: tuple[str, ...]  # the names of the event rules
    cameras: tuple[CameraFacts, ...]
    model: Model
    heartbeat_interval_s: float
    versions: dict[str, str]
