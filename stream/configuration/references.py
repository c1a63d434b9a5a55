"""References in the configuration: `${NAME}` and `${file:/run/secrets/x}`, so that secrets stay
out of the file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from stream.errors import ConfigError
from stream.url import decoded

_REFERENCE = re.compile(r"\$\{([^{}]*)\}")
_UP_TO_CREDENTIALS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*")


class References:
    """Looks references up, and tells what it put in, so that it can be masked.

    A value that lands in the credentials of a URL is percent-encoded on its way (unless it is
    already): a secret may hold any character.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def resolve(self, value: Any, path: str) -> tuple[Any, list[str]]:
        """`value` with every reference inside its strings replaced, and the values put in.

        Raises ConfigError naming `path` and the reference, never what it stands for.
        """
        if isinstance(value, str):
            return self._resolve_text(value, path)
        used: list[str] = []
        if isinstance(value, dict):
            table = {}
            for key, inner in value.items():
                table[key], more = self.resolve(inner, f"{path}.{key}")
                used += more
            return table, used
        if isinstance(value, list):
            items = []
            for index, inner in enumerate(value):
                item, more = self.resolve(inner, f"{path}[{index}]")
                items.append(item)
                used += more
            return items, used
        return value, used

    def _resolve_text(self, text: str, path: str) -> tuple[str, list[str]]:
        used: list[str] = []

        def replacement(match: re.Match[str]) -> str:
            secret = self._look_up(match[1], path)
            used.extend({secret, quote(secret, safe="")} if secret else ())
            in_credentials = (
                _UP_TO_CREDENTIALS.fullmatch(text[: match.start()]) and "@" in text[match.end() :]
            )
            return quote(decoded(secret), safe="") if in_credentials else secret

        if "${" in _REFERENCE.sub("", text):
            raise ConfigError(
                f"{path}: a reference is not closed; write ${{NAME}} or ${{file:...}}"
            )
        return _REFERENCE.sub(replacement, text), used

    def _look_up(self, reference: str, path: str) -> str:
        if reference.startswith("file:"):
            return _read_secret(Path(reference.removeprefix("file:")), path)
        if reference not in self._environment:
            raise ConfigError(
                f"{path}: the environment variable {reference} is not set; "
                "set it, or use ${file:...} to read the secret from a file"
            )
        return self._environment[reference]


def _read_secret(file: Path, path: str) -> str:
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{path}: the secret file {file} can't be read: {why}") from None
