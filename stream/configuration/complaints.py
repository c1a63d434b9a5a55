"""Complaints in our words: with the key's path, by names where there are any, and the nearest
known key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from stream.configuration.config import (
    CameraConfig,
    Config,
    EventsConfig,
    HttpConfig,
    PublishConfig,
)
from stream.errors import ConfigError
from stream.events.evidence import EvidenceConfig
from stream.events.receivers import MqttConfig, WebhookConfig
from stream.events.rule import RuleConfig
from stream.events.schedule import ScheduleConfig

_ENTRY = re.compile(r"(camera|rule|webhook)\[(\d+)\](?!\.name:)")
_NAME = re.compile(r"(?!\d+$)[a-z0-9_-]+")  # and not to be taken for a place


@contextmanager
def by_name(tree: Mapping[str, Any]) -> Iterator[None]:
    """What the block complains of goes by its name instead of its place, where it has one of its
    own: `camera[hallway].url`.

    tree: of tables, as the file has them.
    """
    try:
        yield
    except ConfigError as error:
        message = str(error)
        if (match := _ENTRY.match(message)) is None:
            raise
        name = _name_of(tree.get(match[1]), int(match[2]))
        raise ConfigError(f"{match[1]}[{name}]{message[match.end() :]}") from error.__cause__


def _name_of(tables: Any, index: int) -> str:
    """An entry's name, or its place where that says more."""
    names = [
        str(table.get("name", "")) if isinstance(table, dict) else ""
        for table in (tables if isinstance(tables, list) else ())
    ]
    name = names[index] if index < len(names) else ""
    return name if _NAME.fullmatch(name) and names.count(name) == 1 else str(index)


def explained(message: str) -> ConfigError:
    """msgspec's message with the path in front, and the nearest known key for an unknown one."""
    what, _, where = message.partition(" - at `")
    path = where.rstrip("`").removeprefix("$").removeprefix(".")
    if (match := re.search(r"unknown field `(.+)`", what)) is not None:
        return unknown_key(path, match[1], _TYPES[re.sub(r"\[[^]]*\]", "", path)])
    if (match := re.search(r"missing required field `(.+)`", what)) is not None:
        return ConfigError(f"{_joined(path, match[1])}: this key is required; add it")
    if re.match(r"Expected `(int|float)` [<>]", what) is not None:
        return ConfigError(f"{path}: must be {_range(path)}")
    what = (
        what.replace("`array | null`", "a list")
        .replace("`array`", "a list")
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
    return get_args(_inside(path, Literal))


def _range(path: str) -> str:
    """The numbers that a key may have, in words."""
    number, bounds = get_args(_inside(path, Annotated))
    return f"a {'whole ' if number is int else ''}number from {bounds.ge:g} to {bounds.le:g}"


def _inside(path: str, form: object) -> Any:
    """What of a key's type has this form: inside a list or an option, too."""
    table, _, key = re.sub(r"\[[^]]*\]", "", path).rpartition(".")
    kind = next(f.type for f in msgspec.structs.fields(_TYPES[table]) if f.encode_name == key)
    while get_origin(kind) is not form:
        kind = get_args(kind)[0]
    return kind


def unknown_key(path: str, key: str, kind: type[msgspec.Struct]) -> ConfigError:
    """A key that the table at `path`, of this type, doesn't have; names the nearest one."""
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
