"""The one table of topics: what is published where, as which type, and how often.

    gesta/1/<site>/<camera>/<kind>/          about one camera
    gesta/1/<site>/node/<node>/<kind>/       about the daemon

Publisher, subscriber, health and documentation are derived from it. A topic ends in `/`, since
ZeroMQ matches prefixes: without it `cam1` would match `cam10` too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stream.messaging.messages import (
    EventChange,
    Explain,
    Heartbeat,
    Message,
    Meta,
    Prediction,
    Status,
)

ROOT = "gesta/1/"
NODE = "node"  # stands where a camera's name would; no camera may be called this


@dataclass(frozen=True, slots=True)
class TopicKind:
    """One row of the table.

    expected_hz: how often a healthy daemon sends it; None where the bundle's prediction rate
    says, 0 where only a change does. For `explain` it is the most that is sent.
    retained: what a late subscriber gets at once, marked `replay`: the last one of the topic, or
        of each event that goes on.
    """

    kind: str
    message: type[Message]
    scope: Literal["camera", "node"]
    expected_hz: float | None
    retained: Literal["no", "last", "open"]


TABLE = (
    TopicKind("prediction", Prediction, "camera", expected_hz=None, retained="last"),
    TopicKind("event", EventChange, "camera", expected_hz=0.0, retained="open"),
    TopicKind("explain", Explain, "camera", expected_hz=5.0, retained="no"),
    TopicKind("status", Status, "camera", expected_hz=0.0, retained="last"),
    TopicKind("heartbeat", Heartbeat, "node", expected_hz=1.0, retained="no"),
    TopicKind("meta", Meta, "node", expected_hz=0.0, retained="last"),
)
BY_KIND = {row.kind: row for row in TABLE}


@dataclass(frozen=True, slots=True)
class Address:
    """A topic taken apart. `owner` is the camera's name, or the node's."""

    site: str
    owner: str
    kind: TopicKind


def topic(site: str, owner: str, kind: str) -> str:
    """The topic of this kind; `owner` is the camera's name, or the node's.

    Raises:
        KeyError: no such kind.
    """
    scope = f"{NODE}/" if BY_KIND[kind].scope == "node" else ""
    return f"{ROOT}{site}/{scope}{owner}/{kind}/"


def parse(text: str) -> Address | None:
    """The address behind a topic, or None for one that this version does not know."""
    if not text.startswith(ROOT) or not text.endswith("/"):
        return None
    match text.removeprefix(ROOT).removesuffix("/").split("/"):
        case [site, "node", node, kind]:
            address = (site, node, kind, "node")
        case [site, camera, kind]:
            address = (site, camera, kind, "camera")
        case _:
            return None
    site, owner, kind, scope = address
    row = BY_KIND.get(kind)
    return Address(site, owner, row) if row and row.scope == scope else None


def node_prefix(prefix: str) -> str:
    """The prefix under which the heartbeats and metas of `prefix`'s daemons lie.

    `gesta/1/home/hallway/` names a site, so its daemons speak under `gesta/1/home/node/`; a prefix
    that leaves the site open covers them already.
    """
    parts = prefix.split("/")
    has_whole_site = prefix.startswith(ROOT) and len(parts) > 3
    return f"{ROOT}{parts[2]}/{NODE}/" if has_whole_site else prefix
