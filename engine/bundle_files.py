"""Where a bundle's files lie: a folder, or a .zip with them at the top or in one folder."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Protocol

from engine.errors import BundleCorrupt, BundleNotFound

# ResNet-152 with the paper's head stays under 1 GB; a .zip that unpacks to more is a trap.
LARGEST_BYTES = 4 * 2**30

# zipfile reports damage, ciphers and unknown methods in all these ways.
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)


class BundleFiles(Protocol):
    """The files of one bundle; flat, without folders."""

    path: Path

    def names(self) -> Iterable[str]: ...

    def read(self, name: str) -> bytes:
        """Raises BundleCorrupt where the file can't be read."""
        ...


def open_files(path: Path) -> BundleFiles:
    """Raises BundleNotFound where `path` is neither a folder nor a .zip."""
    if path.is_dir():
        return _Folder(path)
    if path.is_file() and zipfile.is_zipfile(path):
        return _Zip(path)
    if path.is_file() and path.suffix == ".zip":
        raise BundleCorrupt(f"{path} is damaged or no .zip file; copy the bundle again")
    raise BundleNotFound(f"{path} is no bundle; give a folder or a .zip")


class _Folder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        try:
            return [entry.name for entry in self.path.iterdir()]
        except OSError as error:
            raise BundleCorrupt(f"{self.path} can't be read ({error.strerror})") from error

    def read(self, name: str) -> bytes:
        file = self.path / name
        try:
            if not file.is_file():
                raise BundleCorrupt(f"{file} is no file; copy the bundle again")
            return file.read_bytes()
        except OSError as error:
            raise BundleCorrupt(f"{file} can't be read ({error.strerror})") from error


class _Zip:
    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        except _ZIP_ERRORS as error:
            raise BundleCorrupt(f"{path} is damaged ({error}); copy the bundle again") from error
        if sum(entry.file_size for entry in entries) > LARGEST_BYTES:
            raise BundleCorrupt(f"{path} would unpack to over {LARGEST_BYTES >> 30} GiB: no bundle")
        folders = {PurePosixPath(entry.filename).parent for entry in entries}
        nested = len(folders) > 1 or any(len(folder.parts) > 1 for folder in folders)
        if nested or any(".." in f.parts or f.is_absolute() for f in folders):
            raise BundleCorrupt(
                f"{path} has files outside one folder; zip the bundle's own files and nothing else"
            )
        self._entries = {PurePosixPath(entry.filename).name: entry.filename for entry in entries}
        if len(self._entries) != len(entries):
            raise BundleCorrupt(f"{path} holds a file twice; zip the bundle again")

    def names(self) -> list[str]:
        return list(self._entries)

    def read(self, name: str) -> bytes:
        try:
            # Opened for each read: no handle to close, and no sharing between threads.
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(self._entries[name])
        except _ZIP_ERRORS as error:
            raise BundleCorrupt(
                f"{self.path}: {name} is damaged ({error}); copy the bundle again"
            ) from error
