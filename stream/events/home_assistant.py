"""What Home Assistant's MQTT discovery is told: which entities to make of Gesta's topics."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from stream.events.rule import RuleConfig
from stream.version import version

# Home Assistant acts on each event it is told. What was kept comes some seconds after the end, as
# another message of phase `end`: there it is an event of its own, so that nothing ends twice.
_EVENT_TYPES = ["start", "update", "end", "evidence"]
_EVENT = (
    "{{ {'event_type': 'evidence' if value_json.evidence else value_json.phase, "
    + ", ".join(
        f"'{name}': value_json.{name}"
        for name in ("rule", "label", "severity", "event_id", "start", "end", "end_reason")
    )
    + "} | to_json }}"
)


def discovery(
    prefix: str,
    *,
    base: str,
    site: str,
    node_availability: str,
    cameras: Mapping[str, Sequence[RuleConfig]],
) -> dict[str, str]:
    """Payloads (JSON) by topic: for each camera a device with an event entity, a picture, a sensor
    whether it is live, and a binary sensor a rule.

    A rule's sensor means nothing while the camera is away. Events do: that the stream was lost amid
    one, and its picture, come after the camera is gone.

    prefix: Home Assistant's own, `homeassistant` unless it was changed there. base: of Gesta's
    topics. node_availability: the topic of the daemon's last will.
    """
    found: dict[str, dict[str, Any]] = {}
    for camera, rules in cameras.items():
        topic = f"{base}/{site}/{camera}"
        own = f"gesta_{camera}_{_digest(site, camera)}"
        common: dict[str, Any] = {
            "availability": [{"topic": node_availability}],
            "qos": 1,
            "device": {
                "identifiers": [own],
                "name": f"Gesta {camera}",
                "manufacturer": "Gesta",
            },
            "origin": {"name": "Gesta", "sw_version": version()},
        }
        found[f"{prefix}/event/{own}/config"] = {
            **common,
            "unique_id": own,
            "name": "Event",
            "state_topic": f"{topic}/event",
            "event_types": _EVENT_TYPES,
            "value_template": _EVENT,
        }
        found[f"{prefix}/image/{own}/config"] = {
            **common,
            "unique_id": f"{own}_snapshot",
            "name": "Last event",
            "image_topic": f"{topic}/snapshot",
            "content_type": "image/jpeg",
        }
        found[f"{prefix}/binary_sensor/{own}/config"] = {
            **common,
            "unique_id": f"{own}_live",
            "name": "Camera",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
            "state_topic": f"{topic}/availability",
            "payload_on": "online",
            "payload_off": "offline",
        }
        for rule in rules:
            digest = _digest(site, camera, rule.name)
            found[f"{prefix}/binary_sensor/{own}_{rule.name}_{digest}/config"] = {
                **common,
                "availability": [*common["availability"], {"topic": f"{topic}/availability"}],
                "availability_mode": "all",
                "unique_id": f"{own}_{digest}",
                "name": rule.name,
                "state_topic": f"{topic}/{rule.name}/state",
            }
    return {topic: json.dumps(payload) for topic, payload in found.items()}


def _digest(*names: str) -> str:
    """Tells names apart that look the same once they are joined: a_b and c, a and b_c."""
    return hashlib.sha256("/".join(names).encode()).hexdigest()[:8]
