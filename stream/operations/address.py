"""Where operators' pages are served: an address and a port, judged before anything is bound."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address of this machine, with a port; 0 takes any free one."""

    ip: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Reads `127.0.0.1:9599`, `[::1]:9599` or `localhost:9599`.

        Other names are refused: what a name means, and so who could reach it, changes.

        Raises:
            ValueError: with a sentence that says what to write.
        """
        host, _, port = text.rpartition(":")
        if not (port.isascii() and port.isdigit() and int(port) < 65536):
            raise ValueError(f'"{text}" has no port; write it as 127.0.0.1:9599')
        in_brackets = host.startswith("[") and host.endswith("]")
        try:
            ip = ipaddress.ip_address(
                "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
            )
        except ValueError:
            raise ValueError(
                f'"{host}" is no IP address; write one such as 127.0.0.1:9599, or 0.0.0.0:9599'
                " for every one that this machine has"
            ) from None
        if in_brackets != (ip.version == 6):
            raise ValueError(f'"{text}": only an IPv6 address has brackets, as in [::1]:9599')
        return cls(ip, int(port))

    @property
    def is_loopback(self) -> bool:
        """True where only this machine reaches it."""
        return self.ip.is_loopback

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if self.ip.version == 6 else f"{self.ip}:{self.port}"
