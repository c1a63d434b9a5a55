"""Where the publisher may listen: the endpoint's address judged before ZeroMQ sees it."""

from __future__ import annotations

import errno
import ipaddress
import socket
import stat
from pathlib import Path

from stream.errors import PublishError

DEFAULT = "tcp://127.0.0.1:5599"


def check_binding(endpoint: str, *, insecure: bool, guarded: bool = False) -> None:
    """Refuses an endpoint that can't be bound, or that others could reach unasked.

    guarded: only known clients are let in, and all is encrypted.

    Raises:
        PublishError: with a sentence that says what to do.
    """
    scheme, _, address = endpoint.partition("://")
    if scheme == "ipc" and address:
        _check_socket_file(endpoint, Path(address))
    elif scheme == "tcp" and _is_host_and_port(address):
        if not (insecure or guarded or is_loopback(address)):
            raise PublishError(
                f"{endpoint} could be reached by anyone on the network, and messages are neither"
                " encrypted nor guarded; give clients keys (publish.keys, gesta keys new), publish"
                " on tcp://127.0.0.1:5599, or say --insecure if the network is your own"
            )
    else:
        raise PublishError(
            f"{endpoint!r} is no endpoint to publish on; give one such as {DEFAULT}"
            " or ipc:///run/gesta.sock"
        )


def is_loopback(address: str) -> bool:
    """True where only this machine reaches `host:port`."""
    host = address.rpartition(":")[0].strip("[]")
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, an interface or *
        return False


def _is_host_and_port(address: str) -> bool:
    host, _, port = address.rpartition(":")
    return bool(host) and (port == "*" or (port.isascii() and port.isdigit() and int(port) < 65536))


def _check_socket_file(endpoint: str, path: Path) -> None:
    """ZeroMQ would delete whatever lies at the path: a file, or a living daemon's socket."""
    try:
        mode = path.lstat().st_mode
    except OSError:  # nothing there, or bind will say why not
        return
    if not stat.S_ISSOCK(mode):
        raise PublishError(f"{path} exists and is no socket; choose another path for {endpoint}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:  # left behind by a daemon that is gone
            return
    raise PublishError(in_use(endpoint))


def in_use(endpoint: str) -> str:
    """The sentence for an endpoint that somebody else holds."""
    return (
        f"{endpoint} is in use, perhaps by another gesta; stop that one,"
        " or choose another with --publish"
    )


def why_not_bound(endpoint: str, number: int | None, words: str) -> str:
    """The sentence for what ZeroMQ says, by its errno and in words."""
    match number:
        case errno.EADDRINUSE:
            return in_use(endpoint)
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return (
                f"no permission to publish on {endpoint}; choose a port above 1023, or another path"
            )
        case errno.EADDRNOTAVAIL | errno.ENODEV | errno.ENXIO:
            return f"this machine has no address for {endpoint}; try tcp://127.0.0.1:5599"
        case errno.ENOENT | errno.ENOTDIR | errno.ENAMETOOLONG:
            return f"{endpoint} can't be made, its folder is missing or the path is too long"
        case _:
            return f"can't publish on {endpoint}: {words}; choose another with --publish"
