"""The configuration: what TOML file and command line say, checked once, then frozen.

Strings may hold `${NAME}` (an environment variable) or `${file:/run/secrets/x}` (a file's text),
so that no secret need stand in the file. What was put in that way is masked wherever the
configuration is shown. An error names the key's path (`camera[0].transport`) and, for a mistyped
key, the nearest one; it never shows a secret.
"""

from __future__ import annotations

import difflib
import math
import os
import re
import socket
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

from stream import url as urls
from stream.errors import ConfigError
from stream.events.evidence import EvidenceConfig
from stream.events.receivers import MqttConfig, WebhookConfig
from stream.events.rule import RuleConfig, check_rules
from stream.events.schedule import ScheduleConfig
from stream.operations.address import Address
from stream.references import References
from stream.region import problem_with

_NAME = re.compile(r"[a-z0-9_-]+")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,}=*")  # what an Authorization header may hold
_PLAINER = {"`array`": "a list", "`object`": "a table", "Invalid enum value": "unknown value"}
_SCHEMES = ("rtsp", "rtsps", "http", "https")


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
        made grey before anything sees it. All of it where nothing is given.
    """

    name: str
    url: str
    transport: Literal["tcp", "udp"] = "tcp"
    max_gap_s: float = 1.0
    stall_s: float = 5.0
    loop: bool = False
    realtime: bool | None = None
    explain: bool = False
    region: tuple[tuple[float, float], ...] = ()
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

    store: a file; made where it isn't there. Only opened where there are rules.
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
    """

    site: str = "home"
    node: str = msgspec.field(default_factory=lambda: host_name())
    bundle: str = "default"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    flow: str | None = None
    allow_flow_mismatch: bool = False
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


def load_config(
    path: Path | None = None,
    urls_given: Sequence[str] = (),
    *,
    overrides: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Config:
    """Reads the TOML file, adds the command line's URLs as cam0, cam1, ..., and checks it all.

    Args:
        path: the TOML file; None for none.
        urls_given: one more camera each; they take names that the file hasn't used.
        overrides: top-level keys of the command line, as in the TOML (`publish` as a mapping of
            its keys); a value of None means "not given".
        environment: where `${NAME}` is looked up; the process's own by default.

    Raises:
        ConfigError: with the key's path and what to do.
    """
    tree: dict[str, Any] = {} if path is None else _read(path)
    for key, value in (overrides or {}).items():
        if isinstance(value, Mapping):
            given = {name: inner for name, inner in value.items() if inner is not None}
            if given:
                tree[key] = {**tree.get(key, {}), **given}
        elif value is not None:
            tree[key] = value
    for index, camera in _tables(tree.get("camera", [])):
        if "secrets" in camera:
            raise _unknown_key(f"camera[{index}]", "secrets", CameraConfig)
    references = References(os.environ if environment is None else environment)
    cameras = _cameras(tree.pop("camera", []), references)
    tree = {key: references.resolve(value, key)[0] for key, value in tree.items()}
    tree["camera"] = cameras
    _add_urls(tree["camera"], urls_given)
    try:
        config = msgspec.convert(tree, Config)
    except msgspec.ValidationError as error:
        raise _explained(str(error)) from None
    _check(config)
    return config


def host_name() -> str:
    """The host's name in the letters that a topic may hold."""
    name = re.sub(r"[^a-z0-9_-]+", "-", socket.gethostname().partition(".")[0].lower()).strip("-")
    return name or "host"


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Windows writes a BOM
    except FileNotFoundError:
        raise ConfigError(f"there is no configuration file {path}; check --config") from None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"the configuration file {path} can't be read: {why}") from None
    except tomllib.TOMLDecodeError as error:
        # Only the position: the rest of the message may quote a secret.
        where = re.search(r"\(at .*\)$", str(error))
        place = f" {where[0]}" if where else ""
        raise ConfigError(f"{path} is not valid TOML{place}; correct that line") from None


def _tables(value: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    """The entries of an array of tables that are tables; msgspec complains about the rest."""
    if isinstance(value, list):
        for index, table in enumerate(value):
            if isinstance(table, dict):
                yield index, table


def _cameras(value: Any, references: References) -> Any:
    """The camera tables with their references resolved and their secrets noted, named by place."""
    if not isinstance(value, list):
        return value
    cameras = list(value)
    for index, table in _tables(value):
        camera, used = references.resolve(table, f"camera[{index}]")
        cameras[index] = {"name": f"cam{index}", **camera, "secrets": used}
    return cameras


def _add_urls(cameras: Any, urls_given: Iterable[str]) -> None:
    if not isinstance(cameras, list):
        return
    taken = {camera.get("name") for camera in cameras if isinstance(camera, dict)}
    free = (name for i in range(len(cameras) + 10_000) if (name := f"cam{i}") not in taken)
    cameras.extend({"name": next(free), "url": url} for url in urls_given)


def _explained(message: str) -> ConfigError:
    """msgspec's message with the path in front, and the nearest known key for an unknown one."""
    what, _, where = message.partition(" - at `")
    path = where.rstrip("`").removeprefix("$").removeprefix(".")
    if (match := re.search(r"unknown field `(.+)`", what)) is not None:
        return _unknown_key(path, match[1], _TYPES[re.sub(r"\[[^]]*\]", "", path)])
    if (match := re.search(r"missing required field `(.+)`", what)) is not None:
        return ConfigError(f"{_joined(path, match[1])}: this key is required; add it")
    what = (
        what.replace("`array`", "a list")
        .replace("`object | null`", "a table")
        .replace("`object`", "a table")
        .replace("Invalid enum value", "unknown value")
    )
    if what.startswith("unknown value"):
        what = f"{what}; use one of {', '.join(map(repr, _allowed(path)))}"
    if path in ("camera", "rule", "webhook"):
        return ConfigError(f"{path}: is no list of tables; write [[{path}]], in two brackets")
    if path.endswith(".url"):
        what = what.partition(", got")[0]
    return ConfigError(f"{path}: {what[0].lower()}{what[1:]}")


def _allowed(path: str) -> tuple[str, ...]:
    """The values that a key may have."""
    table, _, key = re.sub(r"\[[^]]*\]", "", path).rpartition(".")
    kind = next(f.type for f in msgspec.structs.fields(_TYPES[table]) if f.encode_name == key)
    while get_origin(kind) is not Literal:
        kind = get_args(kind)[0]  # of a list's items
    return get_args(kind)


def _unknown_key(path: str, key: str, kind: type[msgspec.Struct]) -> ConfigError:
    known = [f.encode_name for f in msgspec.structs.fields(kind) if f.name != "secrets"]
    near = difflib.get_close_matches(key, known, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(known)}"
    return ConfigError(f"{_joined(path, key)}: unknown key; {hint}")


_TYPES: Mapping[str, type[msgspec.Struct]] = {
    "": Config,
    "publish": PublishConfig,
    "http": HttpConfig,
    "events": EventsConfig,
    "camera": CameraConfig,
    "rule": RuleConfig,
    "rule.schedule": ScheduleConfig,
    "webhook": WebhookConfig,
    "mqtt": MqttConfig,
    "evidence": EvidenceConfig,
}


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _check(config: Config) -> None:
    """What types alone can't say."""
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
        if (problem := problem_with(camera.region)) is not None:
            raise ConfigError(f"{path}.region: {problem}")
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
    if not config.events.store:
        raise ConfigError("events.store: is empty; name a file, or leave it out")
    if not (math.isfinite(config.events.keep_days) and config.events.keep_days >= 0):
        raise ConfigError(
            f"events.keep_days: must be a number of days from 0, not {config.events.keep_days}"
        )


def _check_evidence(evidence: EvidenceConfig, config: Config) -> None:
    evidence.check("evidence")
    for index, camera in enumerate(config.cameras):
        kept = any(rule.evidence and rule.holds_for(camera.name) for rule in config.rules)
        if evidence.blur and kept and not camera.region:
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
    if (config.webhooks or config.mqtt) and not config.rules:
        key = "webhook" if config.webhooks else "mqtt"
        raise ConfigError(f"{key}: there is no rule, so nothing to tell; add a [[rule]]")


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
