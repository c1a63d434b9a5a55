"""The MQTT topics of a daemon.

BASE/SITE/CAMERA/event            every change as JSON, QoS 1
BASE/SITE/CAMERA/RULE/state       ON while an event goes on, else OFF; retained
BASE/SITE/CAMERA/snapshot         the last event's picture, a JPEG, where evidence is kept; retained
BASE/SITE/CAMERA/availability     online while the camera is live, else offline; retained
BASE/SITE/node/NODE/availability  online, or offline by last will; retained
BASE/SITE/node/NODE/kept/ID       what the broker keeps for this daemon, as JSON; retained
DISCOVERY/...                     what Home Assistant makes entities of; retained
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

import msgspec

from stream.events.rule import RuleConfig


class Topics:
    """Their names.

    Args:
        store: the event store's path, which no two daemons of a node share.
    """

    def __init__(self, base: str, *, site: str, node: str, store: str) -> None:
        self._site = f"{base}/{site}"
        self.availability = f"{self._site}/node/{node}/availability"
        identity = hashlib.sha256(store.encode()).hexdigest()[:8]
        self.kept = f"{self._site}/node/{node}/kept/{identity}"

    def event(self, camera: str) -> str:
        return f"{self._site}/{camera}/event"

    def state(self, camera: str, rule: str) -> str:
        return f"{self._site}/{camera}/{rule}/state"

    def snapshot(self, camera: str) -> str:
        return f"{self._site}/{camera}/snapshot"

    def presence(self, camera: str) -> str:
        return f"{self._site}/{camera}/availability"

    def of(self, cameras: Mapping[str, Sequence[RuleConfig]]) -> set[str]:
        """All about these cameras that a broker keeps, but discovery."""
        found = set()
        for camera, rules in cameras.items():
            found |= {self.presence(camera), self.snapshot(camera)}
            found |= {self.state(camera, rule.name) for rule in rules}
        return found

    def ours(self, kept: bytes | bytearray) -> set[str]:
        """What is named in a broker's list of what it keeps for us. Whoever may write there may
        have written the list, so nothing is taken from it that isn't a camera's.
        """
        try:
            topics = msgspec.json.decode(kept, type=set[str])
        except msgspec.MsgspecError:
            return set()
        return {topic for topic in topics if self._is_a_cameras(topic)}

    def _is_a_cameras(self, topic: str) -> bool:
        if re.fullmatch(r"[\w/-]+/gesta_[\w-]+/config", topic):
            return True
        return topic.startswith(f"{self._site}/") and not re.search("[+#]", topic)
