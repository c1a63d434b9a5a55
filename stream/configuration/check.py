"""What a configuration's types alone can't say."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from stream import region, zoom
from stream import url as urls
from stream.configuration.config import Config, HttpConfig
from stream.errors import ConfigError
from stream.events.evidence import EvidenceConfig
from stream.events.rule import check_rules
from stream.operations.address import Address
from stream.region import Point

_NAME = re.compile(r"[a-z0-9_-]+")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,}=*")  # what an Authorization header may hold
_LOOKED_AT_PX = (224, 224)  # a region that no pixel of such a picture belongs to shows nothing
MOST_CAPTURE_PROCESSES = 64  # each is an interpreter of its own
_SCHEMES = ("rtsp", "rtsps", "http", "https")


def check(config: Config) -> None:
    """Raises ConfigError with the key's path and what to do."""
    if not config.bundle:
        raise ConfigError("bundle: is empty; give a built-in name, a folder or a .zip")
    for key, name in (("site", config.site), ("node", config.node)):
        _check_name(key, name)
    seen: dict[str, int] = {}
    for index, camera in enumerate(config.cameras):
        path = f"camera[{index}]"
        _check_name(f"{path}.name", camera.name)
        if camera.name == "node":
            raise ConfigError(f'{path}.name: "node" is kept for the daemon itself; rename it')
        if camera.name in seen:
            raise ConfigError(
                f'{path}.name: camera[{seen[camera.name]}] is "{camera.name}" too; rename one'
            )
        seen[camera.name] = index
        for key, value in (("max_gap_s", camera.max_gap_s), ("stall_s", camera.stall_s)):
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"{path}.{key}: must be a number of seconds above 0, not {value}")
        for key, given, problem_with in (
            ("region", camera.region, region.problem_with),
            ("zoom", camera.zoom, zoom.problem_with),
        ):
            if given is not None and (problem := problem_with(given)) is not None:
                raise ConfigError(f"{path}.{key}: {problem}")
        if camera.region is not None and camera.zoom is not None:
            _check_region_is_seen(f"{path}.region", camera.region, camera.zoom)
        _check_url(f"{path}.url", camera.url)
    for key in ("answers", "keys"):
        if getattr(config.publish, key) == "":
            raise ConfigError(f"publish.{key}: is empty; leave it out to do without")
    _check_receivers(config)
    if config.http is not None:
        _check_http(config.http)
    if config.evidence is not None:
        _check_evidence(config.evidence, config)
    check_rules(config.rules, [camera.name for camera in config.cameras])
    processes = config.capture_processes
    if processes is not None and not 0 <= processes <= MOST_CAPTURE_PROCESSES:
        raise ConfigError(
            f"capture_processes: must be from 0 to {MOST_CAPTURE_PROCESSES}, not {processes}; leave"
            " it out to have it decided by the number of cameras"
        )
    if processes == 0 and config.decoder == "cuda":
        raise ConfigError(
            'capture_processes: is 0, and decoder = "cuda" decodes in capture processes alone; '
            "leave out one of them"
        )
    if not config.events.store:
        raise ConfigError("events.store: is empty; name a file, or leave it out")
    if not (math.isfinite(config.events.keep_days) and config.events.keep_days >= 0):
        raise ConfigError(
            f"events.keep_days: must be a number of days from 0, not {config.events.keep_days}"
        )


def _check_region_is_seen(path: str, seen: Sequence[Point], part: Sequence[Point]) -> None:
    within = zoom.Zoom.around(part).points(seen)
    if region.Region(within, _LOOKED_AT_PX).outside.all():
        raise ConfigError(
            f"{path}: lies outside of the camera's zoom, so that nothing would be seen; let both "
            "have something of the picture in common, or leave one out"
        )


def _check_evidence(evidence: EvidenceConfig, config: Config) -> None:
    evidence.check("evidence")
    for index, camera in enumerate(config.cameras):
        kept = any(rule.evidence and rule.holds_for(camera.name) for rule in config.rules)
        if evidence.blur and kept and camera.region is None:
            raise ConfigError(
                f'camera[{index}].region: evidence.blur is on, and "{camera.name}" has no region '
                "outside of which to blur; give it one ([[0, 0], [1, 0], [1, 1], [0, 1]] where all "
                "of its picture may be kept), or none of its rules evidence"
            )


def _check_receivers(config: Config) -> None:
    seen = set[str]()
    for index, webhook in enumerate(config.webhooks):
        path = f"webhook[{index}]"
        _check_name(f"{path}.name", webhook.name)
        if webhook.name in seen:
            raise ConfigError(f'{path}.name: another webhook is "{webhook.name}" too; rename one')
        seen.add(webhook.name)
        webhook.check(path)
    if config.mqtt is not None:
        config.mqtt.check("mqtt")


def _check_http(http: HttpConfig) -> None:
    try:
        address = Address.parse(http.bind)
    except ValueError as error:
        raise ConfigError(f"http.bind: {error}") from None
    if http.token is None:
        if not address.is_loopback:
            raise ConfigError(
                f"http.bind: {address} could be reached by anyone on the network; set http.token,"
                " best from the environment or a file, or bind 127.0.0.1"
            )
    elif _TOKEN.fullmatch(http.token) is None:
        raise ConfigError(
            "http.token: must be 16 characters or more, of letters, digits and -._~+/ alone; "
            "`openssl rand -hex 32` makes one"
        )


def _check_name(path: str, name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise ConfigError(f'{path}: "{name}" may hold only a-z, 0-9, "_" and "-"; rename it')


def _check_url(path: str, url: str) -> None:
    if not url:
        raise ConfigError(f"{path}: is empty; give a camera's URL, a file, webcam:0 or scene:")
    if not urls.is_network(url):
        return
    try:
        scheme = urls.parse(url).scheme
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    if scheme not in _SCHEMES:
        raise ConfigError(
            f"{path}: {scheme}:// can't be opened; use {', '.join(s + '://' for s in _SCHEMES)}, "
            "a file, /dev/videoN, webcam:N or scene:"
        )
