"""An authority, and certificates of it, good and expired."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_CONFIGURATION = """
[ca]
default_ca = authority
[authority]
dir = {folder}
database = {folder}/index
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = loopback
unique_subject = no
[any]
commonName = supplied
[loopback]
subjectAltName = IP:127.0.0.1
"""
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True)
class Certificate:
    """PEM files."""

    cert: Path
    key: Path


class Authority:
    """Signs certificates of 127.0.0.1 with openssl. `ca`: the file that its friends trust."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        (folder / "index").touch()
        self._configuration = folder / "openssl.cnf"
        self._configuration.write_text(_CONFIGURATION.format(folder=folder))
        self.ca, self._key = folder / "ca.pem", folder / "ca.key"
        _openssl(
            "req", "-x509", *_NEW_KEY, "-days", "2",
            "-subj", "/CN=authority", "-out", self.ca, "-keyout", self._key,
        )  # fmt: skip

    def certificate(self, name: str, *, expired: bool = False) -> Certificate:
        """One that is good until tomorrow, or was good on a day long ago."""
        cert, key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        request = self._folder / f"{name}.csr"
        _openssl(
            "req", *_NEW_KEY, "-subj", f"/CN={name}",
            "-out", request, "-keyout", key,
        )  # fmt: skip
        when = (
            ("-startdate", "20200101000000Z", "-enddate", "20200102000000Z")
            if expired
            else ("-days", "1")
        )
        _openssl(
            "ca", "-batch", "-config", self._configuration, "-cert", self.ca,
            "-keyfile", self._key, "-in", request, "-out", cert, "-notext", *when,
        )  # fmt: skip
        return Certificate(cert, key)


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
