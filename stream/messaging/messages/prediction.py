"""Which action is going on, and where in the picture the model looked."""

from __future__ import annotations

from typing import Literal

from stream.messaging.messages.message import Count, Message, Part, Probability, Utc

Clock = Literal["rtcp", "arrival", "device", "file"]


class Latency(Part, frozen=True, kw_only=True):
    """Where the time went, from the newest frame's arrival on.

    capture: from the frame in hand to its sample: decoded, resized, flow stacked.
    queue: waiting for the inference thread.
    rgb: the RGB graph, shared by the whole batch of cameras.
    flow: the flow graph.
    head: attention, the sliding window, fusion, calibration.
    publish: from recognised to handed to the socket.
    capture_to_publish: from `capture_end` to `published_at`, so by the clock that `clock` names.
    """

    capture: float
    queue: float
    rgb: float
    flow: float
    head: float
    publish: float
    capture_to_publish: float


class Time(Part, frozen=True, kw_only=True):
    """When the camera saw what the prediction is about.

    capture_start: the window's oldest frame.
    capture_end: the window's newest frame.
    position_s: the newest frame's place on the grid, since the first of the stream epoch.
    clock: whose clock the times are by: the camera's own report (`rtcp`), their `arrival` here,
        the webcam's `device`, or the reading of the `file`.
    uncertainty_ms: how far off they may be.
    """

    capture_start: Utc
    capture_end: Utc
    position_s: float
    clock: Clock
    uncertainty_ms: float
    latency_ms: Latency


class Window(Part, frozen=True, kw_only=True):
    """The frames that the prediction stands on. Act on complete windows only.

    frames: how many there are so far, in the window.
    fill: 1 when the window is full.
    complete: it is full, and nothing in it was shed.
    repeated: of `frames`, those without a picture of their own: the one before stands in.
    shed: of `repeated`, those that were dropped since this machine was too slow.
    """

    frames: Count
    fill: Probability
    complete: bool
    repeated: Count
    shed: Count


class TopLabel(Part, frozen=True, kw_only=True):
    """One of the likeliest labels.

    label: a class of the bundle.
    p: its probability, fused over both streams and calibrated.
    p_rgb: what the RGB stream says alone.
    p_flow: what the flow stream says alone; null where `modality` is `rgb`.
    """

    label: str
    p: Probability
    p_rgb: Probability
    p_flow: Probability | None


class Attention(Part, frozen=True, kw_only=True):
    """Where in time the model looked.

    temporal: the weight of each frame of the window, oldest first; zeros in front while it fills.
        Those of each segment (the paper's; `default` has three of ten frames) sum to 1.
    """

    temporal: tuple[Probability, ...]


class Model(Part, frozen=True, kw_only=True):
    """What computes the predictions.

    bundle: its name.
    sha256: of the bundle.
    runner: the engine, and the device that it runs on.
    precision: of its numbers.
    flow: how motion is estimated.
    """

    bundle: str
    sha256: str
    runner: str
    precision: str
    flow: str


class Prediction(Message, frozen=True, kw_only=True, tag="prediction"):
    """Which action is going on, from one sample of one camera.

    dropped: frames not used since the camera's start, by cause: `thinned` (more than the grid
        needs), `late`, `shed` (this machine was too slow), `corrupt`, `untimed`. A cause that never
        occurred may be absent.
    modality: what the model saw: `rgb` alone where this machine is too slow for both streams, and
        until a whole window has been seen by both again. The probabilities are calibrated for it.
    probabilities: one per class, in the order of meta's `classes`; they sum to 1.
    top: the five likeliest, likeliest first.
    abstain: the best probability is below the bundle's threshold: the model would rather not say.
    entropy: of the probabilities, in nats; 0 where one is certain.
    truth: what a drawn scene really performs; null for any other source.
    """

    time: Time
    window: Window
    dropped: dict[str, Count]
    modality: Literal["rgb+flow", "rgb"]
    probabilities: tuple[Probability, ...]
    top: tuple[TopLabel, ...]
    abstain: bool
    entropy: float
    attention: Attention
    model: Model
    truth: str | None = None


class JpegBlob(Part, frozen=True, kw_only=True):
    """The newest frame at model scale.

    blob: its place among the message's blobs, from 0.
    width: in pixels.
    height: in pixels.
    crop: the part that the model sees: left, top, width and height in pixels of this picture.
    """

    blob: Count
    width: Count
    height: Count
    crop: tuple[Count, Count, Count, Count]


class MapBlob(Part, frozen=True, kw_only=True):
    """Spatial attention over the crop: one byte a cell, row by row from the top.

    blob: its place among the message's blobs, from 0.
    width: in cells.
    height: in cells.
    peak: the largest weight of the map, whose weights sum to 1; a cell's is byte / 255 · `peak`.
    """

    blob: Count
    width: Count
    height: Count
    peak: Probability


class Explain(Message, frozen=True, kw_only=True, tag="explain"):
    """Where in the picture the model looked; only for cameras with `explain = true`.

    prediction_seq: the `seq` of the prediction that it belongs to.
    capture_end: that prediction's.
    frame: a JPEG of the newest frame at model scale.
    attention_rgb: where the RGB stream looked.
    attention_flow: where the flow stream looked; null where the prediction's `modality` is `rgb`.
    """

    prediction_seq: Count
    capture_end: Utc
    frame: JpegBlob
    attention_rgb: MapBlob
    attention_flow: MapBlob | None
