"""What a new configuration changes in a daemon that runs."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from stream.configuration.config import CameraConfig, Config
from stream.errors import ConfigError

_REVISABLE = ("cameras", "rules")


@dataclass(frozen=True, slots=True)
class Revision:
    """The new configuration, and its cameras that are not as they were.

    removed: names, of those that are gone or altered. added: those that are new or altered.
    """

    config: Config
    removed: tuple[str, ...]
    added: tuple[CameraConfig, ...]

    @classmethod
    def between(cls, old: Config, new: Config) -> Revision:
        """From what the daemon runs with to what it is to run with.

        Raises:
            ConfigError: that takes a restart.
        """
        for field in msgspec.structs.fields(Config):
            if field.name not in _REVISABLE:
                _check_same(field.encode_name, getattr(old, field.name), getattr(new, field.name))
        before = {camera.name: camera for camera in old.cameras}
        after = {camera.name: camera for camera in new.cameras}
        return cls(
            config=new,
            removed=tuple(name for name, each in before.items() if after.get(name) != each),
            added=tuple(each for name, each in after.items() if before.get(name) != each),
        )


def _check_same(key: str, old: object, new: object) -> None:
    """Names the innermost key that differs, and no value: it may be a secret."""
    if old == new:
        return
    if isinstance(old, msgspec.Struct) and type(old) is type(new):
        for field in msgspec.structs.fields(type(old)):
            path = f"{key}.{field.encode_name}"
            _check_same(path, getattr(old, field.name), getattr(new, field.name))
    raise ConfigError(
        f"{key}: can't be changed while the daemon runs; restart it, or put the old value back"
    )
