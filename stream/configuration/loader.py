"""Reads the configuration: what TOML file and command line say, checked once.

Strings may hold `${NAME}` (an environment variable) or `${file:/run/secrets/x}` (a file's text),
so that no secret need stand in the file. An error names the key's path (`camera[hallway].url`, or
`camera[0].url` for one without a name) and, for a mistyped key, the nearest one; it never shows a
secret.
"""

from __future__ import annotations

import logging
import os
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from stream.configuration.check import check
from stream.configuration.complaints import by_name, explained, unknown_key
from stream.configuration.config import CameraConfig, Config
from stream.configuration.references import References
from stream.errors import ConfigError

# What a rehearsal opens nothing of; the machine that it runs on may lack its secrets.
_NOT_REHEARSED = ("camera", "publish", "http", "events", "evidence", "webhook", "mqtt")
_SIGHT = ("region", "zoom")  # which part of its picture a camera looks at

_log = logging.getLogger(__name__)


def load_config(
    path: Path | None = None,
    urls_given: Sequence[str] = (),
    *,
    overrides: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    rehearsal: bool = False,
    camera: str | None = None,
    only: Collection[str] | None = None,
) -> Config:
    """Reads the TOML file, adds the command line's URLs as cam0, cam1, ..., and checks it all.

    Args:
        path: the TOML file; None for none.
        urls_given: one more camera each; they take names that the file hasn't used.
        overrides: top-level keys of the command line, as in the TOML (`publish` as a mapping of
            its keys); a value of None means "not given".
        environment: where `${NAME}` is looked up; the process's own by default.
        rehearsal: the rules are only tried, on the URLs given: what the file says of its own
            cameras, of receivers and of what is kept is not looked at, and no secret of it needed.
        camera: in a rehearsal, whose `region` and `zoom` the URLs get, and whose rules alone are
            tried; None for the whole picture and the rules of all cameras.
        only: the top-level keys of the file that are looked at; what the others say may be wrong,
            and their secrets missing. All of them by default.

    Raises:
        ConfigError: with the key's path and what to do.
    """
    tree: dict[str, Any] = {} if path is None else _read(path)
    if only is not None:
        tree = {key: value for key, value in tree.items() if key in only}
    sight: dict[str, Any] = {}
    named = dict(tree)
    if rehearsal:
        sight = _sight_of(camera, tree)
        tree = {key: value for key, value in tree.items() if key not in _NOT_REHEARSED}
        named = {**tree, "camera": [{"name": camera or ""}]}  # as which the first URL is looked at
    for key, value in (overrides or {}).items():
        if isinstance(value, Mapping):
            given = {name: inner for name, inner in value.items() if inner is not None}
            if given:
                tree[key] = {**tree.get(key, {}), **given}
        elif value is not None:
            tree[key] = value
    with by_name(named):
        for index, table in _tables(tree.get("camera", [])):
            if "secrets" in table:
                raise unknown_key(f"camera[{index}]", "secrets", CameraConfig)
        references = References(os.environ if environment is None else environment)
        cameras = _cameras(tree.pop("camera", []), references)
        tree = {key: references.resolve(value, key)[0] for key, value in tree.items()}
        tree["camera"] = cameras
        _add_urls(tree["camera"], urls_given, sight)
        try:
            config = msgspec.convert(tree, Config)
        except msgspec.ValidationError as error:
            raise explained(str(error)) from None
        if rehearsal:  # the cameras that the rules are for are none of those given
            rules = tuple(
                msgspec.structs.replace(
                    rule,
                    cameras=(),
                    enabled=rule.enabled if camera is None else rule.holds_for(camera),
                )
                for rule in config.rules
            )
            config = msgspec.structs.replace(config, rules=rules)
        check(config)
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Windows writes a BOM
    except FileNotFoundError:
        raise ConfigError(f"there is no configuration file {path}; check its path") from None
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


def _sight_of(name: str | None, tree: Mapping[str, Any]) -> dict[str, Any]:
    """What a camera of the file says of the part of its picture that is looked at.

    Raises:
        ConfigError: there is no such camera.
    """
    tables = {
        str(table.get("name", f"cam{index}")): table
        for index, table in _tables(tree.get("camera", []))
    }
    if name is None:
        partial = [each for each, table in tables.items() if not table.keys().isdisjoint(_SIGHT)]
        if partial:
            _log.warning(
                "the whole picture is looked at, and of %s only a part would be; say --camera NAME "
                "to try the rules on what that one sees",
                ", ".join(partial),
            )
        return {}
    if name not in tables:
        known = f"known are {', '.join(tables)}" if tables else "it has no [[camera]]"
        raise ConfigError(f'--camera: the file after --rules has no camera "{name}"; {known}')
    return {key: value for key, value in tables[name].items() if key in _SIGHT}


def _cameras(value: Any, references: References) -> Any:
    """The camera tables with their references resolved and their secrets noted, named by place."""
    if not isinstance(value, list):
        return value
    cameras = list(value)
    for index, table in _tables(value):
        camera, used = references.resolve(table, f"camera[{index}]")
        cameras[index] = {"name": f"cam{index}", **camera, "secrets": used}
    return cameras


def _add_urls(cameras: Any, urls_given: Iterable[str], sight: Mapping[str, Any]) -> None:
    if not isinstance(cameras, list):
        return
    taken = {camera.get("name") for camera in cameras if isinstance(camera, dict)}
    free = (name for i in range(len(cameras) + 10_000) if (name := f"cam{i}") not in taken)
    cameras.extend({"name": next(free), "url": url, **sight} for url in urls_given)
