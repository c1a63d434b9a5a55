"""The configuration's types, with their defaults; frozen.

What came from the environment or a file is masked wherever the configuration is shown.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from stream import url as urls
from stream.events.evidence import EvidenceConfig
from stream.events.receivers import MqttConfig, WebhookConfig
from stream.events.rule import RuleConfig


class PublishConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where messages go. `insecure` allows a binding that other machines can reach.

    answers: where whoever asks gets the state, and past events; nowhere where it is left out.
    keys: a folder of `gesta keys`: only clients with a key of it are let in, and all is encrypted.
    """

    bind: str = "tcp://127.0.0.1:5599"
    answers: str | None = None
    keys: str | None = None
    insecure: bool = False


class HttpConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where operators find metrics and health; nowhere without this table. `repr` masks.

    bind: an IP address with its port. One that others can reach needs a token.
    token: what a caller must bear to read more than yes or no.
    """

    bind: str
    token: str | None = None

    def __repr__(self) -> str:
        token = None if self.token is None else urls.MASK
        return f"HttpConfig(bind={self.bind!r}, token={token!r})"


class CameraConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One camera, file or scene. `repr` masks; `mask` takes its secrets out of any text.

    transport: RTSP over tcp or udp.
    max_gap_s: a longer hole ends the stream epoch.
    stall_s: a camera that sends nothing for this long is stalled, and reconnected.
    loop: a file starts again at its end.
    realtime: pace a file by its own timestamps, and drop what the machine can't hold.
    explain: publish the newest frame and its attention too.
    region: corners of the part of the picture that is looked at, from 0 to 1 each way; the rest is
        made grey before anything sees it. All of it where it is left out.
    zoom: top left and bottom right corner of the part that is looked at as if it were all.
    """

    name: str
    url: str
    transport: Literal["tcp", "udp"] = "tcp"
    max_gap_s: float = 1.0
    stall_s: float = 5.0
    loop: bool = False
    realtime: bool | None = None
    explain: bool = False
    region: tuple[tuple[float, float], ...] | None = None
    zoom: tuple[tuple[float, float], ...] | None = None
    secrets: tuple[str, ...] = ()  # what came from the environment or files; not a key of the TOML

    @property
    def masked_url(self) -> str:
        """The URL as it may be published."""
        return self.mask(urls.mask(self.url))

    def mask(self, text: str) -> str:
        """Any text without this camera's secrets (FFmpeg puts whole URLs into its messages)."""
        secrets = self.secrets
        if urls.is_network(self.url):
            try:
                secrets += urls.parse(self.url).secrets
            except ValueError:
                secrets += (self.url,)
        return urls.mask_text(text, secrets)

    def __repr__(self) -> str:
        return f"CameraConfig(name={self.name!r}, url={self.masked_url!r})"


def default_store(environment: Mapping[str, str] = os.environ) -> Path:
    """Where events are kept unless the configuration says so."""
    return _state_folder(environment) / "events.sqlite"


def default_keys(environment: Mapping[str, str] = os.environ) -> Path:
    """Where keys are kept unless the configuration says so."""
    return _state_folder(environment) / "keys"


def _state_folder(environment: Mapping[str, str]) -> Path:
    """The folder that systemd gives a service, else the user's own."""
    if given := environment.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(given)
    return Path(environment.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "gesta"


class EventsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where events are kept, and for how long.

    store: a file; where there are rules, or somebody to tell, made where it isn't there.
    keep_days: ended events that began before so many days are deleted; 0 keeps them all.
    """

    store: str = msgspec.field(default_factory=lambda: str(default_store()))
    keep_days: float = 90.0


class Config(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    rename={"cameras": "camera", "rules": "rule", "webhooks": "webhook"},
):
    """The whole daemon's configuration.

    device, precision, flow: "auto" / None choose the best that this machine runs in real time.
    rgb_when_overloaded: give flow up where the machine stays too slow for both streams.
    decoder: "cuda" has an NVIDIA GPU decode what it can of cameras, in capture processes.
    capture_processes: how many processes capture the cameras, 0 for the daemon itself; None: by
        the number of cameras.
    """

    site: str = "home"
    node: str = msgspec.field(default_factory=lambda: host_name())
    bundle: str = "default"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "fp16", "bf16", "int8"] = "auto"
    flow: str | None = None
    allow_flow_mismatch: bool = False
    rgb_when_overloaded: bool = True
    decoder: Literal["cpu", "cuda"] = "cpu"
    capture_processes: int | None = None
    log_format: Literal["text", "json"] = "text"
    publish: PublishConfig = PublishConfig()
    http: HttpConfig | None = None
    events: EventsConfig = EventsConfig()
    cameras: tuple[CameraConfig, ...] = ()
    rules: tuple[RuleConfig, ...] = ()
    webhooks: tuple[WebhookConfig, ...] = ()
    mqtt: MqttConfig | None = None
    evidence: EvidenceConfig | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log may show."""
        of_cameras = tuple(secret for camera in self.cameras for secret in camera.secrets)
        others = (
            None if self.http is None else self.http.token,
            None if self.mqtt is None else self.mqtt.password,
            *(webhook.secret for webhook in self.webhooks),
        )
        return (*of_cameras, *(secret for secret in others if secret))


def host_name() -> str:
    """The host's name in the letters that a topic may hold."""
    name = re.sub(r"[^a-z0-9_-]+", "-", socket.gethostname().partition(".")[0].lower()).strip("-")
    return name or "host"
