"""The messages, version 1: what a subscriber reads, field by field.

A message travels as ZeroMQ parts `[topic, json, blob...]`; these types are the json. What their
docstrings say of each field (`name: meaning`) stands nowhere else: the JSON Schemas in `schemas/`
and the tables of `docs/messages.md` are made from it (`make docs`). A unit is the end of a field's
name, or of the name of what holds it. Within a version, changes only add fields.
"""

from stream.messaging.messages.event import EventChange, Peak, Thresholds
from stream.messaging.messages.health import (
    CameraHealth,
    Heartbeat,
    Memory,
    Rates,
    Shed,
    State,
    Status,
)
from stream.messaging.messages.message import (
    VERSION,
    Count,
    Message,
    Part,
    Probability,
    Utc,
    time_ns,
    utc,
)
from stream.messaging.messages.meta import BundleFacts, CameraFacts, GridFacts, Meta
from stream.messaging.messages.prediction import (
    Attention,
    Clock,
    Explain,
    JpegBlob,
    Latency,
    MapBlob,
    Model,
    Prediction,
    Time,
    TopLabel,
    Window,
)

__all__ = [
    "VERSION",
    "Attention",
    "BundleFacts",
    "CameraFacts",
    "CameraHealth",
    "Clock",
    "Count",
    "EventChange",
    "Explain",
    "GridFacts",
    "Heartbeat",
    "JpegBlob",
    "Latency",
    "MapBlob",
    "Memory",
    "Message",
    "Meta",
    "Model",
    "Part",
    "Peak",
    "Prediction",
    "Probability",
    "Rates",
    "Shed",
    "State",
    "Status",
    "Thresholds",
    "Time",
    "TopLabel",
    "Utc",
    "Window",
    "time_ns",
    "utc",
]
