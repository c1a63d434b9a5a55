"""CURVE keys: who may listen to a daemon that others can reach, and the encryption between them.

    FOLDER/server.key          the daemon's own key pair; only it may read this file
    FOLDER/clients/NAME.pub    the public key of a client that may connect: the allow-list

A client carries one file away, with its key pair and the daemon's public key; the daemon keeps
nothing secret of it. A client that is revoked is refused from its next connection on.
"""

from __future__ import annotations

import logging
import os
import re
import tomllib
from pathlib import Path

import msgspec
import zmq

from stream.errors import ConfigError

_NAME = re.compile(r"[a-z0-9_-]+")
_KEY = re.compile(r"[0-9a-zA-Z.:+=^!/*?&<>()\[\]{}@%$#-]{40}")  # Z85

_log = logging.getLogger(__name__)


class _ServerKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    public: str
    secret: str


class ClientKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a client connects with; all in Z85, as ZeroMQ writes keys."""

    server: str
    public: str
    secret: str

    def __repr__(self) -> str:
        return f"ClientKey(public={self.public!r})"


class KeyFolder:
    """The keys of a daemon.

    Raises:
        ConfigError: wherever something can't be read or written, or a name isn't one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._clients = folder / "clients"

    def server(self) -> tuple[bytes, bytes]:
        """The daemon's public and secret key, made where there are none."""
        path = self.folder / "server.key"
        if not path.exists():
            public, secret = zmq.curve_keypair()
            self._make_folders()
            _write(path, f'public = "{public.decode()}"\nsecret = "{secret.decode()}"\n')
        try:
            pair = msgspec.convert(_read(path), _ServerKey)
        except msgspec.ValidationError:
            raise _damaged(path) from None
        _check_keys(path, pair.public, pair.secret)
        return pair.public.encode(), pair.secret.encode()

    def new(self, name: str, out: Path) -> None:
        """Lets one more client in: its public key stays here, and `out` is for it to carry away."""
        if _NAME.fullmatch(name) is None:
            raise ConfigError(f'"{name}" may hold only a-z, 0-9, "_" and "-"; choose another name')
        if (self._clients / f"{name}.pub").exists():
            raise ConfigError(f"there is a key {name} already; revoke it first, or name another")
        if out.exists():
            raise ConfigError(f"{out} is already there; choose another --out, or remove it first")
        server, _ = self.server()
        public, secret = zmq.curve_keypair()
        lines = {"server": server, "public": public, "secret": secret}
        _write(out, "".join(f'{key} = "{value.decode()}"\n' for key, value in lines.items()))
        self._make_folders()
        _write(self._clients / f"{name}.pub", public.decode() + "\n", mode=0o644)

    def names(self) -> list[str]:
        """Who may connect."""
        try:
            if not self.folder.is_dir():
                raise ConfigError(
                    f"there is no folder {self.folder}; check --keys or --config, or make a first "
                    "key with gesta keys new"
                )
            return sorted(path.stem for path in self._clients.glob("*.pub"))
        except OSError as error:
            raise ConfigError(f"{self._clients} can't be read ({error.strerror})") from error

    def revoke(self, name: str) -> None:
        """Lets a client in no longer."""
        if name not in self.names():
            known = ", ".join(self.names()) or "none"
            raise ConfigError(f"there is no key {name}; known are: {known}")
        try:
            (self._clients / f"{name}.pub").unlink()
        except OSError as error:
            raise ConfigError(f"the key {name} can't be removed ({error.strerror})") from error

    def allows(self, public: bytes) -> bool:
        """Whether a client with this public key may connect, as the folder says now."""
        for path in self._clients.glob("*.pub"):
            try:
                if path.read_bytes().strip() == public:
                    return True
            except OSError as error:  # one that can't be read shuts out its own client alone
                _log.warning("the key %s can't be read (%s)", path, error.strerror)
        return False

    def _make_folders(self) -> None:
        try:
            self._clients.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{self._clients} can't be made ({error.strerror})") from error


def read_client_key(path: Path) -> ClientKey:
    """What `gesta keys new` wrote. Raises ConfigError where it can't be read as that."""
    found = _read(path)
    try:
        key = msgspec.convert(found, ClientKey)
    except msgspec.ValidationError:
        raise ConfigError(f"{path} is no client's key; make one with gesta keys new") from None
    _check_keys(path, key.server, key.public, key.secret)
    return key


def _check_keys(path: Path, *keys: str) -> None:
    if any(_KEY.fullmatch(key) is None for key in keys):
        raise _damaged(path)


def _damaged(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} is damaged: a key has 40 characters of ZeroMQ's alphabet; make a new one"
    )


def _read(path: Path) -> dict[str, str]:
    try:
        return tomllib.loads(path.read_text(encoding="ascii"))
    except OSError as error:
        raise ConfigError(f"the key {path} can't be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise ConfigError(f"{path} is no key; make one with gesta keys new") from None


def _write(path: Path, text: str, mode: int = 0o600) -> None:
    """Readable by its owner alone, unless `mode` says otherwise."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"the key {path} can't be written ({error.strerror})") from error
